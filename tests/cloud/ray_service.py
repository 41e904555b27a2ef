"""A service whose work a Ray cluster of its own does, in processes that end with the test."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CONCEPTS = Path(__file__).parents[1] / "end_to_end" / "small_cloud" / "concepts.toml"
"""Few, as each replica reads them all when it starts."""
_LISTENS = "0A"


@dataclass(frozen=True)
class Service:
    address: str
    process: subprocess.Popen[str]
    folder: Path

    def family(self) -> dict[int, str]:
        """Its process and all that came of it: command lines by process id."""
        children: dict[int, list[int]] = {}
        for process in (int(p.name) for p in Path("/proc").iterdir() if p.name.isdigit()):
            with contextlib.suppress(OSError):
                parent = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(process)
        found, todo = {}, [self.process.pid]
        while todo:
            process = todo.pop()
            todo += children.get(process, [])
            with contextlib.suppress(OSError):
                found[process] = Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        return found

    def one(self, name: str) -> int:
        """The process id of the member whose command line holds ``name``."""
        return next(process for process, command in self.family().items() if name in command)

    def listens(self) -> set[str]:
        """The addresses that any of them listens on."""
        sockets = set()
        for process in self.family():
            with contextlib.suppress(OSError):
                for handle in Path(f"/proc/{process}/fd").iterdir():
                    with contextlib.suppress(OSError):
                        sockets.add(str(handle.readlink()))
        return {
            _address(fields[1].split(":")[0])
            for table in ("/proc/net/tcp", "/proc/net/tcp6")
            for fields in (line.split() for line in Path(table).read_text().splitlines()[1:])
            if fields[3] == _LISTENS and f"socket:[{fields[9]}]" in sockets
        }


def _address(written: str) -> str:
    """As /proc/net/tcp writes it: 32-bit words, each in the order of this machine's bytes."""
    raw = b"".join(bytes.fromhex(written[at : at + 8])[::-1] for at in range(0, len(written), 8))
    return socket.inet_ntop(socket.AF_INET if len(raw) == 4 else socket.AF_INET6, raw)


@contextlib.contextmanager
def ray_service(folder: Path, **ray: int) -> Iterator[Service]:
    """The service, ready; it knows `CONCEPTS`."""
    config = folder / "cloud.toml"
    keys = "".join(f"{key} = {value}\n" for key, value in ray.items())
    fusion, engine = f'vocabulary = "{CONCEPTS}"\n', 'kind = "ray"\nprovider = "cpu"\n'
    tables = f"[listen]\nport = 0\n[fusion]\n{fusion}[engine]\n{engine}[ray]\n{keys}"
    config.write_text(f'device_name = "here"\n{tables}')
    command = [sys.executable, "-m", "sensorium_cloud", "serve", "--config", str(config), "--state", str(folder)]
    environment = os.environ | {"TMPDIR": str(folder)}
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment) as process,
    ):
        assert process.stdout is not None
        try:
            said = process.stdout.readline().split()
            assert said[:2] == ["ready", "on"], (folder / "log").read_text()
            yield Service(said[2], process, folder)
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(30)
            process.kill()


def gone(processes: dict[int, str], within_s: float = 10.0) -> dict[int, str]:
    """Which of ``processes`` still run after so long; zombies do not."""
    until = time.monotonic() + within_s
    while (left := {p: c for p, c in processes.items() if _runs(p)}) and time.monotonic() < until:
        os.sched_yield()
    return left


def _runs(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
