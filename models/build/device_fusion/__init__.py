"""The device's fusion network: what it is trained on, measured on, and written as."""

import sys
from pathlib import Path

# The generators of hands, strokes and people are scripts that import each other by name.
sys.path.append(str(Path(__file__).parents[1]))
