"""The service under load: ``python bench/cloud_load.py [KIND ...]``, all if none is named.

Kinds: pace, providers, streams, idle, overload, kill.

Service and generator (`cloud_generator`) share the machine: the load average is printed beside, and CPU time per window
is the figure to trust on a busy one.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as the service sets it for itself
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

import cloud
import grpc
from cloud_generator import A_CONNECTION, FUSE, Tally, machine, offer, p99, pour, python, quantiles, settle, streams

from sensorium import wire
from sensorium.delivery import Hello
from sensorium.v1 import fusion_pb2
from sensorium_cloud._app.server import loop_factory

ANSWER = bytes(950)
"""As long as a symbol is."""


# --- what is measured -------------------------------------------------------------------


@contextmanager
def service(workers: int = 1, **engine: float | str) -> Iterator[tuple[str, int, Path]]:
    """Address, process id and state folder of a service in processes of its own."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "cloud.toml"
        keys = "".join(f"{key} = {json.dumps(value)}\n" for key, value in engine.items())
        config.write_text(f"[listen]\nport = 0\nworkers = {workers}\n[engine]\n{keys}")
        command = [sys.executable, "-m", "sensorium_cloud", "serve", "--config", str(config), "--state", folder]
        with started([*command, "--log-level", "error"]) as (address, pid):
            yield address, pid, Path(folder)


@contextmanager
def started(command: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Address and process id of a server that says ``ready on HOST:PORT``."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = process.stdout.readline().split()
        if said[:2] != ["ready", "on"]:
            raise SystemExit(process.wait())
        try:
            yield said[2], process.pid
        finally:
            process.terminate()


async def echo() -> None:
    """A server that does nothing: bytes in, and as many answers in one message as there were windows."""
    server = grpc.aio.server()

    async def fuse(requests: AsyncIterator[bytes], context: grpc.aio.ServicerContext[bytes, bytes]) -> None:
        async for raw in requests:
            await context.write(ANSWER * raw[0])

    handlers = {"Fuse": grpc.stream_stream_rpc_method_handler(fuse)}
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("sensorium.v1.FusionService", handlers)])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"ready on 127.0.0.1:{port}", flush=True)
    await server.wait_for_termination()


def family(pid: int) -> list[int]:
    """A process and its children."""
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, listed)]


def worker_of(pid: int) -> int:
    """One of the workers; the parent has another child, which watches its resources."""
    return next(p for p in family(pid)[1:] if b"spawn_main" in Path(f"/proc/{p}/cmdline").read_bytes())


def rss_bytes(pid: int) -> int:
    return sum(int(Path(f"/proc/{p}/statm").read_text().split()[1]) for p in family(pid)) * os.sysconf("SC_PAGE_SIZE")


@dataclass
class Shares:
    """Of the processors' time, how much service and generator took, and what a window cost each of them."""

    pid: int
    service_s: float = 0.0
    generator_s: float = 0.0
    wall_s: float = 0.0

    @contextmanager
    def counted(self) -> Iterator[None]:
        began, own, theirs = time.perf_counter(), time.process_time(), spent_s(self.pid)
        yield
        self.wall_s += time.perf_counter() - began
        self.generator_s += time.process_time() - own
        self.service_s += spent_s(self.pid) - theirs

    def line(self, windows: int) -> str:
        us = 1e6 / max(windows, 1)
        return (
            f"  service {self.service_s * us:.0f} us of CPU a window, {self.service_s / self.wall_s:.0%} of a processor"
            f"; generator {self.generator_s * us:.0f} us, {self.generator_s / self.wall_s:.0%}"
        )


def spent_s(pid: int) -> float:
    """Seconds of CPU of a process and its children."""
    return sum(cloud.cpu_s(p) for p in family(pid))


# --- the measurements -------------------------------------------------------------------


def poured(address: str, pid: int, windows: int, together: int, *, worded: bool = False) -> cloud.Pace:
    """Closed loop, ``together`` windows a message, over as many connections as `cloud.pace` has.

    With ``worded``, each window has words that nobody said before.
    """
    own = windows // cloud.STREAMS
    said = [
        [f"please set timer {n} to {i} minutes" for i in range(own)] if worded else () for n in range(cloud.STREAMS)
    ]
    loads = [cloud.messages(f"s{n}{worded}", own, said[n], together) for n in range(cloud.STREAMS)]
    hello = wire.request_to_proto(Hello("pourer", "spool", takes_several=True)).SerializeToString()
    return paced(pid, lambda: pour(address, loads, together, cloud.IN_FLIGHT, hello), windows)


def echoed(address: str, pid: int, windows: int, together: int) -> cloud.Pace:
    """The same to a server that does nothing; the first byte says how many answers are wanted in one message."""
    size = len(cloud.messages("s", together, together=together)[0])
    message = bytes([together]) + bytes(size - 1)
    loads = [[message] * (windows // cloud.STREAMS // together)] * cloud.STREAMS
    return paced(pid, lambda: pour(address, loads, together, cloud.IN_FLIGHT, None), windows)


def paced(pid: int, load: Callable[[], None], windows: int) -> cloud.Pace:
    shares = Shares(pid)
    with shares.counted():
        load()
    return cloud.Pace(windows / shares.wall_s, shares.service_s / windows * 1e6)


def pace(seconds: float) -> None:
    """Windows a second of CPU: bare model, bare gRPC, one by one, and the service."""
    windows = max(round(seconds * 100), 160)
    model = cloud.bare(cloud.BATCH)
    print(model.line(f"bare model, in batches of {cloud.BATCH}"))
    with service(max_batch=1, max_in_flight=cloud.IN_FLIGHT, patience_s=600) as (address, pid, _):
        alone = poured(address, pid, windows // 2, 1)
    print(alone.line("the service, one by one"))
    for together in (1, 8):
        with started([sys.executable, __file__, "--echo"]) as (address, pid):
            transport = echoed(address, pid, windows, together)
        with service(max_in_flight=cloud.IN_FLIGHT, patience_s=600) as (address, pid, _):
            ours = poured(address, pid, windows, together)
        floor_us = model.cpu_us + transport.cpu_us
        print(transport.line(f"bare gRPC, {together} a message"))
        print(ours.line(f"the service, {together} a message"))
        shares = f"{floor_us / ours.cpu_us:.2f} of bare model and gRPC, {alone.cpu_us / ours.cpu_us:.2f} x one by one"
        print(f"  of a core: {1e6 / ours.cpu_us:.0f} windows/s, {shares}   [{machine()}]")


def providers(seconds: float) -> None:
    """What runs the nets, end to end and in turns: windows of features alone, and with words that are new."""
    windows = max(round(seconds * 100), 160)
    for name in 2 * ("cpu", "openvino-bf16", "auto"):
        with service(max_in_flight=cloud.IN_FLIGHT, patience_s=600, provider=name) as (address, pid, _):
            plain = poured(address, pid, windows, 8)
            worded = poured(address, pid, windows // 8, 8, worded=True)
        print(plain.line(f"{name}: features alone"))
        print(worded.line(f"{name}: with new words") + f"   [{machine()}]", flush=True)


def many(count: int, seconds: float, patience_ms: int = 0, workers: int = 2, a_connection: int = A_CONNECTION) -> None:
    """Thousands of streams, a window a second each, whose answers are of use for so long (0: as the service likes).

    Devices have a connection each (``--a-connection 1``); those behind a proxy share one, which costs the service less.
    """
    tally = Tally()
    with service(workers=workers) as (address, pid, _):
        shares = Shares(pid)
        with streams(address, count, tally, patience_ms, a_connection=a_connection) as crowd:
            with shares.counted():
                offer(crowd, len(crowd.streams), seconds)
            settle(crowd, 10)
    print(tally.line(f"{count} streams, one window/s each"))
    print(f"  {workers} workers, {a_connection} streams a connection, phases at random; {python()}")
    print(shares.line(tally.sent))
    print(f"  {by_the_second(tally)}", flush=True)


def each_many(args: argparse.Namespace) -> None:
    """One crowd after the other, each with a service of its own."""
    for count in args.streams:
        many(count, min(args.seconds, 20.0), args.patience_ms, args.workers, args.a_connection)


def by_the_second(tally: Tally) -> str:
    """The worst second, and p99 of what was due in each, with how many of that were put off."""
    found = [(p99(ms), second, ms, off) for second, ms, off in tally.seconds()]
    _, worst, ms, off = max(found)
    each = " ".join(f"{slow_ms:.0f}" + f"(-{off})" * bool(off) for slow_ms, _, _, off in found)
    return f"worst second, of {len(found)}: number {worst + 1}, {quantiles(ms)}, {off} put off; p99 of each: {each}"


def idle(count: int) -> None:
    """Streams that say nothing: what they cost, and that somebody beside them is answered."""
    tally = Tally()
    with service() as (address, pid, _):
        before = rss_bytes(pid)
        with streams(address, count, tally, a_connection=100) as crowd:
            held = rss_bytes(pid) - before
            offer(crowd.some(10), 20, 2.0)
            settle(crowd, 5)
    print(tally.line(f"{count} idle streams, ten that speak"))
    print(f"  {held / count / 1024:.1f} KiB a stream")


def overload(seconds: float, patience_ms: int = 500) -> None:
    """Twice what it can carry, then half of it again; of so many streams that none is owed too much by the end."""
    tally = Tally()
    with service() as (address, pid, _):
        per_s = poured(address, pid, 1600, 1).per_s
        print(f"  it can carry {per_s:.0f} windows/s here")
        shares = Shares(pid)
        with streams(address, 128, tally, patience_ms) as crowd:
            with shares.counted():
                number = offer(crowd, 2 * per_s, seconds)
            over_s = time.perf_counter()
            during = replace(tally, answered=list(tally.answered), refused=list(tally.refused))
            offer(crowd, per_s / 2, 4.0, number)
            settle(crowd, 5)
    print(during.line(f"{2 * per_s:.0f} windows/s offered for {seconds:.0f} s"))
    in_time = sum(ms <= patience_ms for _, ms in during.answered) / max(len(during.answered), 1)
    done = len(during.answered) / seconds
    print(f"  {done:.0f} answered/s, {in_time:.1%} of them within their {patience_ms} ms")
    print(shares.line(during.sent))
    print(f"  back to normal: {recovered(tally, over_s)}")


def recovered(tally: Tally, over_s: float, normal_ms: float = 100.0) -> str:
    """When, after an overload, the last answer was slow or refused."""
    slow = [at for at, ms in (*tally.answered, *tally.refused) if at > over_s and ms > normal_ms]
    slow += [at for at, _ in tally.refused if at > over_s]
    return f"{max(slow, default=over_s) - over_s:.2f} s after"


def kill(seconds: float) -> None:
    """kill -9 of a worker under load: what was sent is answered, and stored once."""

    async def go(address: str, pid: int, folder: Path) -> None:
        windows = max(round(seconds * 100), 200)
        devices = [cloud.messages(f"killed-{n}", windows) for n in range(16)]
        async with asyncio.TaskGroup() as group:
            asking = [group.create_task(_stubborn(address, f"killed-{n}", own)) for n, own in enumerate(devices)]
            await asyncio.sleep(1.0)
            os.kill(worker_of(pid), signal.SIGKILL)
        reconnected = sum(task.result() for task in asking)
        with contextlib.closing(sqlite3.connect(folder / "sensorium-cloud.sqlite3")) as db:
            rows, different = db.execute("SELECT count(*), count(DISTINCT device || content) FROM answers").fetchone()
        total = windows * len(devices)
        print(f"kill -9 of one of two workers: {reconnected} of {len(devices)} streams came back; of {total} windows "
              f"{total - different} lost, {rows - different} answered twice   [{machine()}]")  # fmt: skip

    with service(workers=2, max_in_flight=16, patience_s=60) as (address, pid, folder):
        asyncio.run(go(address, pid, folder))


async def _stubborn(address: str, name: str, messages: Sequence[bytes]) -> int:
    """Ask until everything is answered, on a new stream where one ends; how many more were needed."""
    left, ended = dict(enumerate(messages, 1)), 0
    while left:
        async with grpc.aio.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            try:
                call: Any = channel.stream_stream(FUSE)()
                await call.write(wire.request_to_proto(Hello(name, "spool")).SerializeToString())
                await call.read()
                await _ask(call, left)
            except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
                ended += 1
                await asyncio.sleep(0.2)
    return ended


async def _ask(call: Any, left: dict[int, bytes]) -> None:
    waiting: set[int] = set()
    while left:
        for number in [n for n in left if n not in waiting][: 8 - len(waiting)]:
            waiting.add(number)
            await call.write(left[number])
        raw = await call.read()
        if raw is grpc.aio.EOF:
            raise asyncio.InvalidStateError
        answer = fusion_pb2.FuseResponse.FromString(raw)
        if answer.WhichOneof("kind") == "symbol":
            waiting.discard(answer.symbol.sequence)
            left.pop(answer.symbol.sequence, None)
        elif answer.WhichOneof("kind") == "refusal":
            waiting.discard(answer.refusal.sequence)


def main() -> None:
    parser = argparse.ArgumentParser(description="The service under load.")
    kinds = ("pace", "providers", "streams", "idle", "overload", "kill")
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=" ".join(kinds))
    parser.add_argument("--seconds", type=float, default=60.0, help="of load")
    parser.add_argument("--streams", type=int, nargs="+", default=[1_000, 2_000, 3_000], help="how many at once")
    parser.add_argument("--a-connection", type=int, default=A_CONNECTION, help="streams that share one")
    parser.add_argument("--workers", type=int, default=2, help="that the streams are served by")
    parser.add_argument("--patience-ms", type=int, default=0, help="for how long an answer to a stream is of use")
    parser.add_argument("--idle", type=int, default=10_000)
    parser.add_argument("--echo", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.echo:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:  # the service's, or gRPC would seem to cost more
            runner.run(echo())
        return
    if wrong := set(args.kinds) - set(kinds):
        parser.error(f"no such measurement: {', '.join(sorted(wrong))}; there are {' '.join(kinds)}")
    todo = {
        "pace": lambda: pace(args.seconds),
        "providers": lambda: providers(args.seconds),
        "streams": lambda: each_many(args),
        "idle": lambda: idle(args.idle),
        "overload": lambda: overload(args.seconds),
        "kill": lambda: kill(min(args.seconds, 10.0)),
    }
    for kind in args.kinds or kinds:
        todo[kind]()


if __name__ == "__main__":
    main()
