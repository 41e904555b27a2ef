"""One process a core: they share the port (SO_REUSEPORT) and the answers; one that dies is started again.

The parent holds no models and no connections. It reserves the port, prepares the state, starts the workers, says
when all of them are ready, and passes on the signal to stop.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import connection, get_context, parent_process
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Final

import msgspec
from prometheus_client.multiprocess import mark_process_dead

from sensorium.errors import SensoriumError
from sensorium_cloud._app import state
from sensorium_cloud._app.engines import check_files
from sensorium_cloud._app.metrics import MULTIPROCESS
from sensorium_cloud._app.place import bound, not_free
from sensorium_cloud._app.quota import processors
from sensorium_cloud._app.server import Ready, loop_factory, serve
from sensorium_cloud._app.settings import Gateway, Listen, Metrics, Settings
from sensorium_cloud._app.work import load_engines

log = logging.getLogger(__name__)

_STEADY_S: Final = 30.0
"""A worker that lived so long is started again at once."""
_MOST_WAIT_S: Final = 30.0
_GRACE_S: Final = 5.0
"""Beside the streams' own: models are let go, the last answers are stored."""


class WorkerFailed(SensoriumError):
    """A worker could not start."""


def how_many(workers: int) -> int:
    """How many processes ``workers`` asks for; 0 is one for each processor this process may use."""
    return workers or processors()


def restart_wait_s(lived_s: float, deaths: int) -> float:
    """How long to wait before a worker is started again that lived so long, and had died so often in a row before."""
    return 0.0 if lived_s >= _STEADY_S else min(0.1 * 2.0**deaths, _MOST_WAIT_S)


def serve_together(settings: Settings, ready: Ready, *, log_level: str) -> None:
    """Serve with as many workers as the settings ask for, until SIGTERM or SIGINT.

    Raises:
        AddressTaken: somebody else listens there.
        WorkerFailed: a worker could not start; what it said.
        StoreError: the state folder cannot be used.
        SensoriumError: a model or the vocabulary cannot be used.
    """
    check_files(settings)
    with contextlib.ExitStack() as stack:
        common = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sensorium-cloud-")))
        folder = settings.state.folder or str(common / "state")
        table = msgspec.structs.replace(settings.state, folder=folder)
        # Once, before all of them: a dozen workers would trip over each other.
        state.prepare(msgspec.structs.replace(settings, state=table))
        listen, gateway = settings.listen, settings.gateway
        listen = msgspec.structs.replace(listen, port=stack.enter_context(_reserved(listen)))
        if gateway.enabled:
            gateway = msgspec.structs.replace(gateway, port=stack.enter_context(_reserved(gateway)))
        metrics = settings.metrics
        if metrics.enabled:
            metrics = msgspec.structs.replace(metrics, port=stack.enter_context(_reserved(metrics)))
        shared = msgspec.structs.replace(settings, state=table, listen=listen, gateway=gateway, metrics=metrics)
        crew = _Crew(shared, log_level, metrics=stack.enter_context(_metrics_in(common)), common=common)
        stack.callback(crew.stop)
        crew.run(stack.enter_context(_stop_signals()), ready)


# --- the parent ------------------------------------------------------------------------


@dataclass(slots=True)
class _Worker:
    """A process, what it says, and since when it runs."""

    process: BaseProcess
    says: Connection
    since_s: float
    deaths: int


class _Crew:
    """The workers, each in its place."""

    def __init__(self, settings: Settings, log_level: str, *, metrics: Path, common: Path) -> None:
        self._settings = settings
        self._log_level = log_level
        self._metrics, self._common = metrics, common
        self._workers: dict[int, _Worker] = {}
        self._due_s: dict[int, tuple[float, int]] = {}

    def run(self, stop: Connection | socket.socket, ready: Ready) -> None:
        """Start everybody, say so, and keep everybody running until something arrives on ``stop``."""
        for place in range(how_many(self._settings.listen.workers)):
            self._start(place, deaths=0)
        for worker in self._workers.values():
            if (address := self._address(worker, stop)) is None:
                return
        ready(str(address))
        while stop not in connection.wait([stop, *self._watched()], self._patience_s()):
            self._mend(time.monotonic())

    def stop(self) -> None:
        """Ask everybody to finish; who does not is killed."""
        for worker in self._workers.values():
            worker.process.terminate()
        until = time.monotonic() + self._settings.listen.stop_grace_s + _GRACE_S
        for worker in self._workers.values():
            worker.process.join(max(until - time.monotonic(), 0.0))
            if worker.process.exitcode is None:
                worker.process.kill()
                worker.process.join()

    def _start(self, place: int, *, deaths: int) -> None:
        # Not forked: gRPC and the model runtimes have threads, which a fork would leave behind.
        context = get_context("spawn")
        hears, says = context.Pipe(duplex=False)
        told = (self._settings, says, self._log_level, self._common)
        process = context.Process(target=_work, args=told, name=f"worker-{place}")
        process.start()
        says.close()
        self._workers[place] = _Worker(process, hears, time.monotonic(), deaths)

    def _address(self, worker: _Worker, stop: Any) -> str | None:
        """Where a worker that has just been started listens; None if told to stop meanwhile.

        Raises:
            WorkerFailed: it cannot start.
        """
        if stop in connection.wait([stop, worker.says]):
            return None
        said = _said(worker.says)
        if said is None or not said[0]:
            raise WorkerFailed(said[1] if said else f"a worker ended with exit code {_exit_code(worker)}")
        return said[1]

    def _watched(self) -> list[int]:
        return [worker.process.sentinel for worker in self._workers.values()]

    def _patience_s(self) -> float | None:
        """How long until somebody is to be started again."""
        return max(min(due for due, _ in self._due_s.values()) - time.monotonic(), 0.0) if self._due_s else None

    def _mend(self, now_s: float) -> None:
        """Note who has died, and start those again whose time has come."""
        for place, worker in list(self._workers.items()):
            if not worker.process.is_alive():
                self._bury(place, worker, now_s)
        for place, (due_s, deaths) in list(self._due_s.items()):
            if due_s <= now_s:
                del self._due_s[place]
                self._start(place, deaths=deaths)

    def _bury(self, place: int, worker: _Worker, now_s: float) -> None:
        del self._workers[place]
        mark_process_dead(worker.process.pid, str(self._metrics))  # type: ignore[no-untyped-call]
        lived_s = now_s - worker.since_s
        wait_s = restart_wait_s(lived_s, worker.deaths)
        said = [line for line in iter(lambda: _said(worker.says), None) if not line[0]]
        reason = said[0][1] if said else f"exit code {_exit_code(worker)}"
        log.error("worker.died place=%d lived_s=%.1f again_in_s=%.1f reason=%s", place, lived_s, wait_s, reason)
        self._due_s[place] = (now_s + wait_s, worker.deaths + 1 if lived_s < _STEADY_S else 0)
        worker.says.close()


def _exit_code(worker: _Worker) -> int | None:
    worker.process.join(1.0)
    return worker.process.exitcode


def _said(says: Connection) -> tuple[bool, str] | None:
    """What a worker said next: whether it is ready, and where or why not; None if nothing."""
    try:
        said: tuple[bool, str] | None = says.recv() if says.poll() else None
    except EOFError:
        return None
    return said


@contextlib.contextmanager
def _reserved(place: Listen | Gateway | Metrics) -> Iterator[int]:
    """A port that the workers can share, and nobody else takes meanwhile.

    Raises:
        AddressTaken: there is none.
    """
    try:
        with bound(place.host, place.port) as alone:  # fails where another service listens; its devices would be shared
            port = int(alone.getsockname()[1])
        reserving = bound(place.host, port, shared=True)
    except OSError as error:
        raise not_free(place, error) from error
    with reserving:
        yield port


@contextlib.contextmanager
def _metrics_in(common: Path) -> Iterator[Path]:
    """Where the workers' metrics meet: whichever of them is asked answers for all.

    A new one each time: prometheus-client would add up what an earlier service left behind.
    """
    before = os.environ.get(MULTIPROCESS)
    (folder := common / "metrics").mkdir()
    os.environ[MULTIPROCESS] = str(folder)
    try:
        yield folder
    finally:
        del os.environ[MULTIPROCESS]
        if before is not None:
            os.environ[MULTIPROCESS] = before


@contextlib.contextmanager
def _stop_signals() -> Iterator[socket.socket]:
    """A socket that something arrives on when this process is told to stop."""
    hears, says = socket.socketpair()
    says.setblocking(False)
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGTERM, signal.SIGINT)}
    woken = signal.set_wakeup_fd(says.fileno())
    try:
        yield hears
    finally:
        signal.set_wakeup_fd(woken)
        for number, handler in before.items():
            signal.signal(number, handler)
        hears.close()
        says.close()


# --- a worker --------------------------------------------------------------------------


def _work(settings: Settings, says: Connection, log_level: str, common: Path) -> None:
    """A worker's life."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all of us; the parent passes it on in order
    threading.Thread(target=_end_with_the_parent, name="parent", daemon=True).start()
    logging.basicConfig(level=log_level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s")
    beside = common / "mesh"
    try:
        engines = load_engines(settings)
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(serve(settings, engines, lambda address: says.send((True, address)), beside=beside))
    except SensoriumError as error:
        says.send((False, str(error)))
        raise SystemExit(1) from None
    finally:
        _clear_up(common, beside)


def _clear_up(common: Path, beside: Path) -> None:
    """A parent that was killed leaves its folder: the last worker, which finds nobody ``beside``, removes it."""
    parent = parent_process()
    if parent is None or not parent.is_alive():
        with contextlib.suppress(OSError):
            beside.rmdir()
            shutil.rmtree(common)


def _end_with_the_parent() -> None:
    """A parent that was killed cannot tell us to stop; nobody would ever stop us."""
    parent = parent_process()
    assert parent is not None, "workers are started by `_Crew`"
    connection.wait([parent.sentinel])
    os.kill(os.getpid(), signal.SIGTERM)
