"""The work on Ray against the work in one process: ``python bench/cloud_ray.py``.

The same devices on loopback pour the same windows into the service with the embedded engine, then into one whose
fusion has one and two replicas on a Ray cluster of its own. Everything shares this machine, so what counts is the CPU
time of a window and where it goes. A window costs more where few come together: it is measured at shares of the full
load, too, and what many streams would need is computed at the share that one would plan with. Needs the extra "ray".
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib.util
import math
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as the service sets it for itself
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

import cloud
import cloud_generator
import cloud_load

from sensorium_cloud._app.settings import Engine

PARTS = {"front": "sensorium_cloud serve", "fusion replicas": "ServeReplica:sensorium:fusion"}
"""Names of parts, and what is in their command lines; all else is Ray's own."""
_BUSY = 0.6
"""Of a core's time, what may be planned with: at more, windows wait."""
_SHARES = (0.2, 0.4, _BUSY)
"""Of the load at which the busiest part has a core's time, those that are measured."""
_STREAMS = 64


@dataclass(frozen=True)
class Figures:
    """Windows a second of wall time, microseconds of CPU a window by part."""

    per_s: float
    cpu_us: dict[str, float]

    @property
    def all_us(self) -> float:
        return sum(self.cpu_us.values())

    @property
    def busiest_us(self) -> float:
        return max(self.cpu_us.values())

    def line(self, title: str, than: Figures | None = None) -> str:
        parts = ", ".join(f"{name} {us:.0f}" for name, us in self.cpu_us.items() if us >= 1)
        ratio = (
            f"   {self.per_s / than.per_s:.2f} x the windows/s, {self.all_us / than.all_us:.2f} x the CPU"
            if than
            else ""
        )
        return f"{title:<28} {self.per_s:6.0f} windows/s   {self.all_us:5.0f} us of CPU a window ({parts}){ratio}"


@contextmanager
def service(kind: str, replicas: int, batch: int) -> Iterator[tuple[str, int]]:
    """Address and process id; patient, or a busy machine would have it shed load."""
    with tempfile.TemporaryDirectory(prefix="ray") as folder:
        config = Path(folder) / "cloud.toml"
        config.write_text(
            f'[listen]\nport = 0\n[engine]\nkind = "{kind}"\npatience_s = 600.0\nmax_in_flight = {cloud.IN_FLIGHT}\n'
            f"max_batch = {batch}\n[ray]\nmin_replicas = {replicas}\nmax_replicas = {replicas}\n"
        )
        command = [sys.executable, "-m", "sensorium_cloud", "serve", "--config", str(config), "--log-level", "error"]
        with cloud_load.started(command) as (address, pid):
            yield address, pid


def family(pid: int) -> dict[int, str]:
    """A process and all that came of it: command lines."""
    parents: dict[int, list[int]] = {}
    for process in (int(p.name) for p in Path("/proc").iterdir() if p.name.isdigit()):
        with contextlib.suppress(OSError):
            parent = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
            parents.setdefault(parent, []).append(process)
    found, todo = {}, [pid]
    while todo:
        process = todo.pop()
        todo += parents.get(process, [])
        with contextlib.suppress(OSError):
            found[process] = Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    return found


def spent_s(members: dict[int, str]) -> dict[str, float]:
    """Seconds of CPU by part."""
    spent = dict.fromkeys([*PARTS, "Ray itself"], 0.0)
    for process, command in members.items():
        part = next((name for name, mark in PARTS.items() if mark in command), "Ray itself")
        with contextlib.suppress(OSError):  # a helper of Ray's may have ended
            spent[part] += cloud.cpu_s(process)
    return spent


def measured(kind: str, replicas: int, windows: int, batch: int, seconds: float) -> tuple[Figures, list[Figures]]:
    """Figures at the full load, and at some shares of it for so long each."""
    with service(kind, replicas, batch) as (address, pid):
        asyncio.run(poured(address, pid, "warm", windows // 8))
        members = family(pid)
        before = spent_s(members)
        pace = asyncio.run(poured(address, pid, f"{kind}{replicas}", windows))
        full = Figures(pace.per_s, per_window_us(before, spent_s(members), windows))
        shares = _SHARES if seconds else ()
        return full, at_shares(address, members, [s * 1e6 / full.busiest_us for s in shares], seconds)


def at_shares(address: str, members: dict[int, str], paces: Sequence[float], seconds: float) -> list[Figures]:
    """Open loop, at each of ``paces`` in windows a second."""
    found, number = [], 1
    with cloud_generator.streams(address, _STREAMS, cloud_generator.Tally()) as crowd:
        for per_s in paces:
            before, first = spent_s(members), number
            number = cloud_generator.offer(crowd, per_s, seconds, first)
            cloud_generator.settle(crowd, 60.0)
            found.append(Figures(per_s, per_window_us(before, spent_s(members), (number - first) * _STREAMS)))
    return found


def per_window_us(before: dict[str, float], after: dict[str, float], windows: int) -> dict[str, float]:
    return {part: (after[part] - before[part]) / windows * 1e6 for part in after}


async def poured(address: str, pid: int, name: str, windows: int) -> cloud.Pace:
    """Closed loop, a window a message; others for each ``name``: the service answers the same from memory."""
    loads = [cloud.messages(f"{name}-{n}", windows // cloud.STREAMS) for n in range(cloud.STREAMS)]
    return await cloud.pour_all(address, pid, loads)


def needed(title: str, figures: Figures, streams: int) -> str:
    """Cores for so many streams of a window a second each."""
    cores = {part: math.ceil(streams * us / 1e6 / _BUSY) for part, us in figures.cpu_us.items() if us >= 1}
    parts = " + ".join(f"{count} {part}" for part, count in cores.items())
    return f"  {title:<26} {sum(cores.values())} cores ({parts})"


def main() -> int:
    parser = argparse.ArgumentParser(description="The work on Ray against the work in one process.")
    parser.add_argument("--windows", type=int, default=4_000)
    parser.add_argument("--seconds", type=float, default=6.0, help="for each share of the full load")
    parser.add_argument("--batch", type=int, default=Engine().max_batch, help="windows in a batch at most")
    args = parser.parse_args()
    if importlib.util.find_spec("ray") is None:
        print('cloud_ray: not measured: pip install "sensorium[ray]"', file=sys.stderr)
        return 0
    embedded, curve = measured("embedded", 1, args.windows, args.batch, args.seconds)
    print(embedded.line("embedded"))
    one, ray_curve = measured("ray", 1, args.windows, args.batch, args.seconds)
    print(one.line("Ray, one replica", embedded))
    two, _ = measured("ray", 2, args.windows, args.batch, 0.0)
    print(two.line("Ray, two replicas", embedded))
    print(f"  two replicas give {two.per_s / one.per_s:.2f} x the windows/s of one   [{cloud_generator.machine()}]")
    print("at shares of the load at which the busiest part has a core's time:")
    for share, own, theirs in zip(_SHARES, curve, ray_curve, strict=True):
        print(own.line(f"  {share:.0%}, embedded"))
        print(theirs.line(f"  {share:.0%}, Ray", own))
    print(f"100,000 streams of a window a second, computed from that at {_BUSY:.0%} (without encoders):")
    print(needed("embedded", curve[-1], 100_000))
    print(needed("on Ray", ray_curve[-1], 100_000))
    return 0


if __name__ == "__main__":
    sys.exit(main())
