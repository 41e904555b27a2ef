"""A Ray cluster for the engine: our own, for this machine only, or one that runs already.

Ray reads its environment when it is imported, so that it is set here, and Ray imported, only when it is asked for.
"""

from __future__ import annotations

import atexit
import importlib
import importlib.util
import logging
import os
import secrets
import shutil
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

import msgspec

from sensorium.errors import SensoriumError
from sensorium_cloud._app.settings import Settings

log = logging.getLogger(__name__)

_INSTALL: Final = 'pip install "sensorium[ray]"'
_PATIENCE_S: Final = 5.0
_HEADLESS_S: Final = 45.0
"""Less than Ray's own minute, after which it ends this process without a word."""
_LONGEST_FOLDER: Final = 20
"""Ray adds up to 85 to it, and a socket's path may have 107."""
_held: Final[list[Any]] = []
"""Deployment handles of this process, as its connection to Ray is."""


class ClusterAway(SensoriumError):
    """There is no Ray, or no cluster where one should be."""


@contextmanager
def cluster(settings: Settings) -> Iterator[Settings]:
    """A cluster that runs the engine's application, until the block is left; the settings, with its address.

    One that was started here ends with the block. One that runs already keeps the application: others may ask it too.

    Raises:
        ClusterAway: Ray is not installed, or there is no cluster at the address.
        SensoriumError: a model or the vocabulary cannot be used.
    """
    if importlib.util.find_spec("ray") is None:
        raise ClusterAway(f"engine.kind = ray needs Ray: {_INSTALL}")
    with _joined(settings) if settings.ray.address else _started(settings) as address:
        yield msgspec.structs.replace(settings, ray=msgspec.structs.replace(settings.ray, address=address))


@contextmanager
def _joined(settings: Settings) -> Iterator[str]:
    address = settings.ray.address
    connect(address)
    try:
        _deploy(settings, alone=False)
        with ends_with(Head(partial(_name, address)).dead, f"ray.address {address}: the cluster is gone ({{}})"):
            yield address
    finally:
        leave()


@contextmanager
def _started(settings: Settings) -> Iterator[str]:
    """A cluster of this machine alone."""
    # Ray's own switch for machines that cannot be part of a cluster: every port is bound to the loopback address.
    os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    os.environ["RAY_AUTH_MODE"] = "token"
    os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
    ray = _ray()
    folder = _folder()
    try:
        context = _begun(ray, folder, settings.ray.object_store_bytes)
        _deploy(settings, alone=True)
        dead = ray._private.worker._global_node.dead_processes  # noqa: SLF001 - Ray tells nobody else
        with ends_with(dead, "the Ray cluster of this service broke down ({})"):
            yield str(context.address_info["gcs_address"])
    finally:
        leave()
        shutil.rmtree(folder, ignore_errors=True)


def _folder() -> str:
    """A new folder for Ray's logs and sockets, whose paths may not be long."""
    wanted = tempfile.gettempdir()
    return tempfile.mkdtemp(prefix="sensorium-ray-", dir=wanted if len(wanted) <= _LONGEST_FOLDER else "/tmp")  # noqa: S108


def _begun(ray: Any, folder: str, store_bytes: int) -> Any:
    try:
        with _own_signals():
            return ray.init(
                num_cpus=1,
                include_dashboard=False,
                object_store_memory=store_bytes,
                _temp_dir=folder,
                log_to_driver=False,
                configure_logging=False,
                _system_config={"enable_metrics_collection": False},
            )
    except (OSError, RuntimeError, ValueError) as error:
        raise ClusterAway(f"Ray cannot be started here: {str(error).strip().splitlines()[0]}") from error


def connect(address: str) -> None:
    """Make this process a part of the cluster at ``address``, if it is not yet.

    Raises:
        ClusterAway: nobody is there, or no node of the cluster runs on this machine.
    """
    # What `ray start` asks for unless told otherwise; Ray finds the token where that finds it.
    os.environ.setdefault("RAY_AUTH_MODE", "token")
    ray = _ray()
    if ray.is_initialized():
        return
    _look_for(address)
    try:
        with _own_signals():
            ray.init(address=address, log_to_driver=False, configure_logging=False)
    except (ConnectionError, RuntimeError, ValueError) as error:
        said = str(error).strip().splitlines()[0]
        way_out = f"is it there, and a part of it here? ray start --address={address} --num-cpus=0"
        raise ClusterAway(f"ray.address {address}: {said}; {way_out}") from error
    atexit.register(leave)  # before Ray's own end: a worker that is told to stop has no other place for it


@contextmanager
def _own_signals() -> Iterator[None]:
    """Keep our way to stop: Ray's own ends with exit code 15, a failure to who told us to."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class Head:
    """The head of a cluster that was joined.

    Replicas work without it for a while, but Ray ends us after a minute; and one that begins anew in its place knows
    nothing of us, so that nobody would answer any more.

    Args:
        name: of the cluster that can be reached now; empty if none can.
        now_s: monotonic clock.
    """

    def __init__(self, name: Callable[[], str], now_s: Callable[[], float] = time.monotonic) -> None:
        self._name, self._now_s = name, now_s
        self._joined = name()
        self._since_s: float | None = None

    def dead(self) -> Sequence[tuple[str]]:
        """What has been gone for too long; to be asked again and again."""
        now_s, name = self._now_s(), self._name()
        self._joined = self._joined or name  # it may not have said it when we came
        if name and name != self._joined:
            return (("another began in its place",),)
        if name:
            if self._since_s is not None:
                log.warning("ray.head_back away_s=%.0f", now_s - self._since_s)
            self._since_s = None
            return ()
        if self._since_s is None:
            self._since_s = now_s
            log.warning("ray.head_away: windows are answered without it for %.0f s", _HEADLESS_S)
        return (("its head",),) if now_s >= self._since_s + _HEADLESS_S else ()


def _name(address: str) -> str:
    """Of the cluster at ``address``; empty if nobody says it there."""
    raylet = importlib.import_module("ray._raylet")
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE_S).close()
        return str(raylet.GcsClient(address=address).cluster_id.hex())
    except Exception as error:  # noqa: BLE001 - Ray's own share no base, and each means that it is not there
        log.debug("ray.head_silent reason=%s", error)
        return ""


@contextmanager
def ends_with(dead: Callable[[], Sequence[Any]], said: str, *, every_s: float = 1.0) -> Iterator[None]:
    """Tell this process to stop when a part of the cluster is ``dead``: it would never answer again.

    ``said`` is what is wrong then, with ``{}`` in the place of the part's name.

    Raises:
        ClusterAway: that happened; whoever started us starts us again, devices send again what was not answered.
    """
    over, parts = threading.Event(), list[str]()

    def watch() -> None:
        while not over.wait(every_s):
            if found := dead():
                parts.extend(str(part[0]) for part in found)
                os.kill(os.getpid(), signal.SIGTERM)
                return

    watcher = threading.Thread(target=watch, name="ray", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
    if parts:
        raise ClusterAway(f"{said.format(', '.join(parts))}; start the service again")


def _look_for(address: str) -> None:
    """Refuse an address where nobody is: Ray would look for it for minutes."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise ClusterAway(f"ray.address {address}: not HOST:PORT")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE_S).close()
    except (OSError, OverflowError) as error:
        raise ClusterAway(f"ray.address {address}: nobody answers ({error}); is the cluster up?") from error


def hold(handle: Any) -> Any:
    """``handle``, which `leave` will close: open ones go on asking a cluster that is gone."""
    _held.append(handle)
    return handle


def leave() -> None:
    """Take this process out of the cluster; one that it started ends."""
    while _held:
        _held.pop().shutdown()
    _ray().shutdown()


def _ray() -> Any:
    """Ray, told to be quiet and to stay at home."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # what its core has to say is said again by us, once
    # A call that comes after the end must fail: Ray would start another cluster for it.
    os.environ["RAY_ENABLE_AUTO_CONNECT"] = "0"
    import ray
    import ray.serve

    for name in ("ray", "ray.serve"):
        logging.getLogger(name).setLevel(logging.ERROR)
    return ray


def _deploy(settings: Settings, *, alone: bool) -> None:
    """Run the application, unless the cluster runs it already.

    Raises:
        ClusterAway: it cannot be run; the log of the cluster says why.
    """
    from ray import serve

    from sensorium_cloud.cluster import application

    if not alone and application.NAME in serve.status().applications:
        return
    serve.start(http_options={"location": "NoServer"})
    try:
        serve.run(application.application(settings, alone=alone), name=application.NAME, route_prefix=None)
    except RuntimeError as error:
        raise ClusterAway(f"the engine did not start on Ray: {str(error).strip().splitlines()[-1]}") from error
