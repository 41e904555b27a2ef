"""Where the service listens, and what to say where it cannot."""

from __future__ import annotations

import contextlib
import errno
import logging
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from sensorium.errors import SensoriumError
from sensorium_cloud._app.settings import Gateway, Listen, Metrics, Settings

log = logging.getLogger(__name__)

_CLAIM: Final = "sensorium-cloud"
_CLAIMS: Final = Path("/proc/net/unix")
_EVERYWHERE: Final = ("0.0.0.0", "::")  # noqa: S104 - nothing is bound to them here


class AddressTaken(SensoriumError):
    """The service, its gateway or its metrics cannot listen where they should."""


class Claimed(OSError):
    """Another service has the port, and may still be loading its models."""


# --- before anybody listens --------------------------------------------------------------


@contextlib.contextmanager
def kept(settings: Settings) -> Iterator[None]:
    """All ports of ``settings`` for this service alone until the block is left, from before its models are loaded.

    Raises:
        AddressTaken: somebody listens on one of them, or another service is about to.
    """
    with contextlib.ExitStack() as claims:
        for where in places(settings):
            try:
                claims.enter_context(claimed(where.host, where.port))
            except OSError as error:
                raise not_free(where, error) from error
            if (reason := tried(where.host, where.port)) is not None:
                raise not_free(where, reason)
        yield


def places(settings: Settings) -> list[Listen | Gateway | Metrics]:
    """Everything that is listened on."""
    return [settings.listen, *(table for table in (settings.gateway, settings.metrics) if table.enabled)]


@contextlib.contextmanager
def claimed(host: str, port: int) -> Iterator[None]:
    """Tell other services of this machine that the port is taken, until the block is left.

    A bound port tells them nothing: those of workers may be shared by whoever wants to, until one of them listens. So
    there is a name beside it, a socket of the abstract namespace, that goes with the process. Where the system has no
    such names, or for port 0, nothing is claimed.

    Raises:
        Claimed: another service was first.
        OSError: nobody knows the host's name.
    """
    name = f"{_CLAIM}/{port}/{_numeric(host)}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as claim:
        try:
            if port:
                claim.bind(f"\0{name}")
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise Claimed(*error.args) from error
            log.debug("place.unclaimed name=%s reason=%s", name, error)
        if port and any(overlaps(name, other) for other in _claims()):
            raise Claimed(errno.EADDRINUSE, "claimed")
        yield


def overlaps(name: str, other: str) -> bool:
    """Whether one of two different claims is to every address of the machine, on the port of the other."""
    (_, port, address), (_, other_port, other_address) = name.split("/"), other.split("/")
    return port == other_port and address != other_address and not {address, other_address}.isdisjoint(_EVERYWHERE)


def _claims() -> list[str]:
    try:
        named = [line.rpartition("@")[2] for line in _CLAIMS.read_text().splitlines() if f"@{_CLAIM}/" in line]
    except OSError:  # another system, or one that does not tell
        return []
    return [name for name in named if name.count("/") == 2]


def _numeric(host: str) -> str:
    return str(socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0][4][0])


# --- what to say -------------------------------------------------------------------------


def not_free(place: Listen | Gateway | Metrics, reason: OSError | None) -> AddressTaken:
    """What to say when ``place`` cannot be listened on; ``reason`` is None if only gRPC knows why."""
    match place:
        case Listen():
            what, host, port = "cannot listen on", "--host", "--port (0 takes a free one)"
        case Gateway():
            what, host, port = "the gateway cannot listen on", "--gateway", "--gateway (0 takes a free port)"
        case Metrics():
            what, host, port = "metrics cannot be served on", "metrics.host", "metrics.port"
    return AddressTaken(f"{what} {written(place.host)}:{place.port}: {_way_out(reason, host, port)}")


def _way_out(reason: OSError | None, host: str, port: str) -> str:
    if isinstance(reason, socket.gaierror):
        return f"nobody knows that name; give another {host}"
    if isinstance(reason, Claimed):
        return f"another sensorium-cloud has it, and may be starting or stopping; stop that, or give another {port}"
    match reason.errno if reason else 0:
        case errno.EADDRINUSE:
            return f"it is in use; stop what uses it, or give another {port}"
        case errno.EADDRNOTAVAIL | errno.EAFNOSUPPORT:
            return f"not an address of this machine; give another {host}"
        case errno.EACCES:
            return f"the system keeps such ports for itself; give another {port}"
    return f"{reason.strerror if reason else 'the system refused'}; give another {port}"


# --- sockets -----------------------------------------------------------------------------


def bound(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """A socket of that address, which others may have too if it is ``shared`` (SO_REUSEPORT).

    Raises:
        OSError: there is none.
    """
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    found = socket.socket(family, socket.SOCK_STREAM)
    try:
        # A service that ran before leaves closing connections behind; they would keep the port for a minute.
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        found.bind(address)
    except OSError:
        found.close()
        raise
    return found


def tried(host: str, port: int) -> OSError | None:
    """Why nobody can listen there alone; None if somebody can."""
    try:
        bound(host, port).close()
    except OSError as error:
        return error
    return None


def written(host: str) -> str:
    """``host`` as it stands before a colon and a port."""
    return f"[{host}]" if ":" in host else host
