"""How soon symbols come after their window closes, from the device and from the cloud, on loopback.

Plays the built-in recording in its own time, once alone and once with a cloud service beside it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from sensorium_agent._app.demo import RECORDING, CloudProcess


def summary(target: str | None, spool: Path, recording: Path) -> list[dict]:
    command = [sys.executable, "-m", "sensorium_agent", "run", "--live", "--jsonl", "--status", "--spool", str(spool)]
    command += ["--play", str(recording)] + ([f"--cloud={target}"] if target else [])
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def show(name: str, lines: list[dict]) -> None:
    last = next(line for line in lines if line["type"] == "summary")
    drops = next(line for line in lines if line["type"] == "drops")
    print(f"{name}: {last['windows']} windows, symbols {last['symbols']}, event loop lag {drops['loop_lag_ms']} ms")
    for stage in ("window_to_edge_symbol", "window_to_cloud_symbol", "end_to_edge_symbol", "end_to_cloud_symbol"):
        if stage in last["stages_ms"]:
            times = last["stages_ms"][stage]
            figures = "  ".join(f"{k} {times[k]:.2f}" for k in ("p50", "p99", "max"))
            print(f"  {stage}: {figures} ms{'   (p99 under 100)' if stage.startswith('window') else ''}")
    if "sent_bytes" in last:
        sent, captured = sum(last["sent_bytes"].values()), sum(last["captured_bytes"].values())
        print(f"  sent {sent} of {captured} bytes captured: {sent / captured:.3%}   (under 2 %)")


def main() -> None:
    recording = Path(sys.argv[1]) if len(sys.argv) > 1 else RECORDING
    with tempfile.TemporaryDirectory() as scratch:
        show("alone", summary(None, Path(scratch) / "a", recording))
        with CloudProcess(Path(scratch)) as cloud:
            show("with a cloud", summary(cloud.target, Path(scratch) / "b", recording))


if __name__ == "__main__":
    main()
