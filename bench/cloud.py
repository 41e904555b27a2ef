"""What the service costs beside its bare model: ``python bench/cloud.py``.

The real service in a process of its own, real devices on loopback, all in one run. On a machine that has
other things to do the CPU time of a window is the figure to trust, and its ratios.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as the service sets it for itself

import grpc
import numpy as np

from sensorium import wire
from sensorium.delivery import Hello, SequencedSymbol, SequencedWindow, Welcome
from sensorium.event import DType, Event, EventStream, Modality, Tensor
from sensorium.window import Presence, Slot, Window
from sensorium_cloud._app.settings import Settings
from sensorium_cloud._app.work import load_engines
from sensorium_cloud.encode.encoders import EncodedWindow

MS = 1_000_000
SIZES = {Modality.AUDIO: 256, Modality.GESTURE: 128, Modality.HAPTIC: 64}
LABELS = {Modality.AUDIO: "speech", Modality.GESTURE: "thumb_up", Modality.HAPTIC: "tap"}
STREAMS, IN_FLIGHT, WINDOWS, TRIPS = 8, 32, 3_000, 300
BATCH = 32


def a_window(session: str, index: int, rng: np.random.Generator, text: str | None = None) -> Window:
    """Sound, a gesture and a touch, by features; words if given."""
    at_ns = 500 * index * MS + 100 * MS
    events: dict[Modality, Event] = {
        m: EventStream(session, m).event(
            at_ns, label=LABELS[m], score=0.9, features=Tensor.of(rng.normal(size=size), DType.F16)
        )
        for m, size in SIZES.items()
    }
    if text is not None:
        events[Modality.TEXT] = EventStream(session, Modality.TEXT).event(at_ns, text=text)
    slots = tuple(
        Slot(m, Presence.PRESENT, (events[m],), 400 * MS, 0) if m in events else Slot(m, Presence.ABSENT)
        for m in Modality
    )
    end_ns = 500 * (index + 1) * MS
    return Window(f"{session}.{index}", session, index, 0, end_ns - 500 * MS, end_ns, end_ns + 60 * MS, slots)


@dataclass(frozen=True)
class Pace:
    """Windows a second of wall time, and microseconds of CPU a window."""

    per_s: float
    cpu_us: float

    def line(self, title: str, other: Pace | None = None, than: str = "") -> str:
        ratio = f"   {self.cpu_us / other.cpu_us:5.2f} x the CPU of {than}" if other else ""
        return f"{title:<44} {self.per_s:6.0f} windows/s   {self.cpu_us:6.0f} us of CPU{ratio}"


def collect_seldom() -> None:
    """Look for garbage as seldom as the service does, or what is bare would pay for more."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 50, 100)


def bare(size: int, seconds: float = 2.0) -> Pace:
    """The fusion alone, from windows to symbols, in batches of ``size``.

    All that an answer needs is part of it: each modality alone, those who are heard together, and without each.
    """
    rng = np.random.default_rng(0)
    fuse = load_engines(Settings()).fuse
    batch = [EncodedWindow(a_window("bare", i, rng), None, None, 0.0) for i in range(size)]
    fuse(batch)
    collect_seldom()
    began, cpu, count = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - began < seconds:
        fuse(batch)
        count += size
    return Pace(count / (time.perf_counter() - began), (time.process_time() - cpu) / count * 1e6)


@contextmanager
def service(max_batch: int) -> Iterator[tuple[str, int]]:
    """Address and process id of a service that fuses at most ``max_batch`` windows together."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "cloud.toml"
        # Patient, or a machine that is busy otherwise would have the service shed load.
        engine = f"max_batch = {max_batch}\nmax_in_flight = {IN_FLIGHT}\npatience_s = 600.0\n"
        config.write_text(f"[listen]\nport = 0\n[engine]\n{engine}")
        command = [sys.executable, "-m", "sensorium_cloud", "serve", "--config", str(config), "--state", folder]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            said = process.stdout.readline().split()
            if said[:2] != ["ready", "on"]:
                raise SystemExit(process.wait())
            try:
                yield said[2], process.pid
            finally:
                process.terminate()


class Device:
    """One Fuse stream that keeps ``IN_FLIGHT`` windows unanswered."""

    def __init__(self, channel: grpc.aio.Channel, name: str) -> None:
        self._call = channel.stream_stream("/sensorium.v1.FusionService/Fuse")()
        self._name = name

    async def greet(self) -> None:
        """Say Hello."""
        await self._call.write(wire.request_to_proto(Hello(self._name, "spool")).SerializeToString())
        assert isinstance(await self._hear(), Welcome)

    async def _hear(self) -> object:
        from sensorium.v1 import fusion_pb2

        return wire.response_from_proto(fusion_pb2.FuseResponse.FromString(await self._call.read()))

    async def ask(self, message: bytes) -> SequencedSymbol:
        """Send one message with one window; its symbol."""
        await self._call.write(message)
        while True:
            answer = await self._hear()
            if isinstance(answer, SequencedSymbol):
                return answer

    async def pour(self, messages: Sequence[bytes], together: int = 1) -> None:
        """Send everything, ``together`` windows a message, as fast as it is answered."""
        room = asyncio.Semaphore(IN_FLIGHT // together)

        async def listen() -> None:
            answered = 0
            while answered < len(messages) * together:
                # The client shares the machine: it looks at the kind of an answer, no deeper.
                raw = await self._call.read()
                if raw[:1] in (b"\x1a", b"\x00"):  # field 3 of FuseResponse, a symbol; or what an echo says
                    answered += 1
                    if answered % together == 0:
                        room.release()
                elif raw[:1] == b"\x22":
                    raise RuntimeError(f"refused: {raw!r}")

        async with asyncio.TaskGroup() as group:
            group.create_task(listen())
            for message in messages:
                await room.acquire()
                await self._call.write(message)


def messages(session: str, count: int, texts: Sequence[str] = (), together: int = 1) -> list[bytes]:
    """``together`` windows each."""
    rng = np.random.default_rng(len(session))
    windows = [a_window(session, i, rng, texts[i % len(texts)] if texts else None) for i in range(count)]
    items = [SequencedWindow(1 + i, w) for i, w in enumerate(windows)]
    parts = (items[at : at + together] for at in range(0, count - count % together, together))
    return [wire.request_to_proto(part).SerializeToString() for part in parts]


def cpu_s(pid: int) -> float:
    """Seconds of CPU a process has used (proc(5): utime and stime are fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def pace(address: str, pid: int) -> Pace:
    """The service's over ``STREAMS`` connections."""
    loads = [messages(f"stream-{n}", WINDOWS // STREAMS) for n in range(STREAMS)]
    return await pour_all(address, pid, loads)


async def pour_all(
    address: str, pid: int, loads: Sequence[Sequence[bytes]], together: int = 1, *, greet: bool = True
) -> Pace:
    """The server's pace over a connection for each of ``loads``, ``together`` windows a message."""
    channels = [grpc.aio.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)]) for _ in loads]
    devices = [Device(channel, f"device-{n}") for n, channel in enumerate(channels)]
    for device in devices if greet else ():
        await device.greet()
    began, cpu = time.perf_counter(), cpu_s(pid)
    await asyncio.gather(*(device.pour(load, together) for device, load in zip(devices, loads, strict=True)))
    took, spent = time.perf_counter() - began, cpu_s(pid) - cpu
    for channel in channels:
        await channel.close()
    windows = sum(map(len, loads)) * together
    return Pace(windows / took, spent / windows * 1e6)


async def round_trips(address: str, name: str, texts: Sequence[str] = ()) -> tuple[list[float], dict[str, float]]:
    """Milliseconds from sending a window to its symbol, one at a time; and the medians of the service's stages."""
    async with grpc.aio.insecure_channel(address) as channel:
        device = Device(channel, name)
        await device.greet()
        trips: list[float] = []
        stages: dict[str, list[float]] = {}
        for message in messages(name, TRIPS, texts):
            began = time.perf_counter()
            answer = await device.ask(message)
            trips.append((time.perf_counter() - began) * 1e3)
            for stage in answer.symbol.latency:
                stages.setdefault(stage.name, []).append(stage.ms)
    return trips, {name: statistics.median(ms) for name, ms in stages.items()}


def show_trips(title: str, trips: Sequence[float], stages: dict[str, float]) -> None:
    cuts = statistics.quantiles(trips, n=100)
    parts = "  ".join(f"{name} {ms:.2f}" for name, ms in stages.items() if name != "align")
    print(f"{title:<44} p50 {cuts[49]:6.2f}   p99 {cuts[98]:6.2f} ms   (medians: {parts})")


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    one, many = bare(1), bare(BATCH)
    print(one.line("bare fusion, one window at a time"))
    for size in (4, 8):
        print(bare(size).line(f"bare fusion, {size} together", one, "one at a time"))
    print(many.line(f"bare fusion, {BATCH} together", one, "one at a time"))
    with service(max_batch=1) as (address, pid):
        alone = asyncio.run(pace(address, pid))
    print(alone.line("service, one window at a time", one, "bare fusion"))
    with service(max_batch=BATCH) as (address, pid):
        greedy = asyncio.run(pace(address, pid))
        print(greedy.line(f"service, greedy batches of at most {BATCH}", many, "bare fusion"))
        print(f"{'greedy against one at a time':<44} {greedy.per_s / alone.per_s:.2f} x the windows/s")
        show_trips("round trip, features only", *asyncio.run(round_trips(address, "quiet")))
        known = ["yes please", "stop the music"]
        show_trips("round trip, with words heard before", *asyncio.run(round_trips(address, "known", known)))
        new = [f"please set the timer to {n} minutes" for n in range(TRIPS)]
        show_trips("round trip, with new words every time", *asyncio.run(round_trips(address, "new", new)))


if __name__ == "__main__":
    main()
