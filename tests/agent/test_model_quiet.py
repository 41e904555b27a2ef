"""What a model runtime prints of its own accord is not for the user."""

from __future__ import annotations

import subprocess
import sys

import pytest

from sensorium_models import store

pytestmark = pytest.mark.needs_models

LOADING = """
import sys
from pathlib import Path
from sensorium_agent.infer.runtime.model import load
load(Path(sys.argv[1]))
print("ours", file=sys.stderr)
"""


def test_loading_a_model_prints_nothing_and_our_own_lines_still_come() -> None:
    command = [sys.executable, "-c", LOADING, str(store.path("hand_landmark"))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert done.stderr == "ours\n"
