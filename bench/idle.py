"""What an idle agent costs: one that listens to a quiet room, and does nothing else.

Memory is the process's resident set. Its processor time is held against the bare models run over the
same sound in the same run. Also how long `sensorium --help` takes.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import wave
from pathlib import Path

import numpy as np

from sensorium.event import EventStream, Modality
from sensorium_agent.capture.recording import open_recording
from sensorium_agent.infer import lanes

_SECONDS = 40
_SETTLE_S = 8


def write_room(path: Path) -> None:
    """A quiet room: faint noise, no voice."""
    noise = np.random.default_rng(0).normal(0, 12, _SECONDS * 16000).astype(np.int16)
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(16000)
        out.writeframes(noise.tobytes())


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


class Timed:
    """A model that counts the processor time spent inside it."""

    spent_s = 0.0

    def __init__(self, model) -> None:
        self._model = model

    def run(self, *inputs):
        began = time.thread_time()
        try:
            return self._model.run(*inputs)
        finally:
            Timed.spent_s += time.thread_time() - began

    def reset(self) -> None:
        self._model.reset()


def models_share(room: Path) -> float:
    """Part of a core the bare models take on this sound in real time."""
    from sensorium_agent.infer.sound.speech import SpeechPerceiver

    # Without a voice the keywords are never asked.
    voice = Timed(lanes.shelf().model("voice_activity"))
    wake_words = {name: Timed(lanes.shelf().model(name)) for name in lanes.WAKE_WORDS}
    perceiver = SpeechPerceiver(EventStream("b", Modality.AUDIO), voice=voice, wake_words=wake_words)
    for sample in open_recording(room).samples():
        perceiver.perceive(sample)
    return Timed.spent_s / _SECONDS


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        room = Path(scratch) / "room.wav"
        write_room(room)
        bare = models_share(room)
        command = [sys.executable, "-m", "sensorium_agent", "run", "--live", "--play", str(room)]
        agent = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        time.sleep(_SETTLE_S)
        before, began = cpu_s(agent.pid), time.monotonic()
        time.sleep(_SECONDS - 2 * _SETTLE_S)
        share = (cpu_s(agent.pid) - before) / (time.monotonic() - began)
        memory = rss_mb(agent.pid)
        agent.wait()
    helps = []
    for _ in range(5):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "sensorium_agent", "--help"], stdout=subprocess.DEVNULL, check=True)
        helps.append(time.perf_counter() - began)
    print(f"idle agent, audio only: {memory:.0f} MB resident   (under 150)")
    print(f"processor: {share:.1%} of a core; bare models {bare:.1%}; beyond them {share - bare:.1%}   (under 5 %)")
    print(f"sensorium --help: {min(helps):.2f} s best of 5   (under 0.3)")


if __name__ == "__main__":
    main()
