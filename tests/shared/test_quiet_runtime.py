"""What runs the models tells nobody that it does, unless somebody wants it to."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CLOUD = "from sensorium_cloud.runtime.net import available as ask"
DEVICE = "from sensorium_agent._app.models.accelerators import providers as ask"


@pytest.mark.parametrize("side", [CLOUD, DEVICE])
def test_onnx_runtime_keeps_no_identifier_and_no_queue_of_reports(side: str, tmp_path: Path) -> None:
    kept = {key: value for key, value in os.environ.items() if key not in ("ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME")}
    environment = kept | {"HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", f"{side}; assert ask()"], env=environment, check=True)

    assert list(tmp_path.rglob("*")) == []
