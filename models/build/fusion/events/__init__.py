"""The fusion network that ships: over the events of a window, trained on composites of our own making."""

import sys
from pathlib import Path

# The generators of hands, strokes and people are scripts that import each other by name.
sys.path.append(str(Path(__file__).parents[2]))
