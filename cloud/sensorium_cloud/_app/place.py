"""Where the service listens, and what to say where it cannot."""

from __future__ import annotations

import errno
import socket

from sensorium.errors import SensoriumError
from sensorium_cloud._app.settings import Gateway, Listen, Metrics


class AddressTaken(SensoriumError):
    """The service, its gateway or its metrics cannot listen where they should."""


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
    match reason.errno if reason else 0:
        case errno.EADDRINUSE:
            return f"it is in use; stop what uses it, or give another {port}"
        case errno.EADDRNOTAVAIL | errno.EAFNOSUPPORT:
            return f"not an address of this machine; give another {host}"
        case errno.EACCES:
            return f"the system keeps such ports for itself; give another {port}"
    return f"{reason.strerror if reason else 'the system refused'}; give another {port}"


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
