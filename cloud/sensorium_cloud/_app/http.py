"""Runs applications (the gateway, the metrics) in the service's own event loop, in the clear or over TLS."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import sys
import time
from collections.abc import AsyncIterator
from typing import Any, Final

from sensorium_cloud._app import keys
from sensorium_cloud._app.handshakes import Handshake
from sensorium_cloud._app.place import bound, not_free, written
from sensorium_cloud._app.settings import Gateway, Metrics, Tls

_GRACE_S: Final = 2
_MESSAGE_BYTES: Final = 1 << 20
_SILENCE_S: Final = 60.0
UNREAD_S: Final = 40.0
"""How long a client may take nothing of what is sent to it: as long as pings need to find one that is gone."""


@contextlib.asynccontextmanager
async def serving(app: Any, place: Gateway | Metrics, tls: Tls, *, shared: bool) -> AsyncIterator[str]:
    """``app``, reachable at the URL this gives, until the block is left.

    Raises:
        AddressTaken: the port is in use, or the address is not this machine's.
        SettingsError: a key or a certificate cannot be used.
    """
    import uvicorn

    from sensorium_cloud._app.connections import HttpConnection, SocketConnection

    uvicorns = logging.getLogger("uvicorn.error")
    # Of each WebSocket it would tell the address with its query, in which browsers have their token.
    uvicorns.setLevel(logging.WARNING)
    uvicorns.addFilter(_STRANGERS)
    context = keys.context(tls, "gateway.tls")
    if context is not None:
        context.sslobject_class = Handshake
    with _listening(place, shared=shared) as listening:
        host, port = listening.getsockname()[:2]
        config = uvicorn.Config(
            app,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            http=HttpConnection,
            ws=SocketConnection,
            ws_max_size=_MESSAGE_BYTES,
            # A kilobyte of it may be a megabyte, and each connection would need 40 KB for it.
            ws_per_message_deflate=False,
            timeout_graceful_shutdown=_GRACE_S,
        )
        config.load()
        config.ssl = context
        server = uvicorn.Server(config)
        # The service has its own.
        server.capture_signals = contextlib.nullcontext  # type: ignore[assignment, method-assign]
        async with asyncio.TaskGroup() as group:
            group.create_task(server.serve([listening]))
            try:
                yield f"{'https' if context else 'http'}://{written(host)}:{port}"
            finally:
                server.should_exit = True


class _Strangers(logging.Filter):
    """Has what is no HTTP, or no WebSocket, told once a minute in a line: anybody can send it as often as they like."""

    def __init__(self) -> None:
        super().__init__()
        self._again_s: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        said = next((told for begins, told in _SAID.items() if str(record.msg).startswith(begins)), "")
        if not said:
            return True
        now_s = time.monotonic()
        if now_s < self._again_s.get(said, 0.0):
            return False
        self._again_s[said] = now_s + _SILENCE_S
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        record.msg, record.args, record.exc_info = said, (), None
        return True


_SAID: Final = {
    "Invalid HTTP request": "gateway.not_http: somebody speaks TLS, gRPC or something else to a port of HTTP",
    "Unsupported upgrade": "gateway.not_http: somebody asks for another protocol than HTTP/1.1 and WebSocket",
    "Invalid UTF-8": "gateway.not_text: somebody sends a WebSocket text that is not UTF-8, and was hung up on",
}
"""How uvicorn's words begin, and ours."""
_STRANGERS: Final = _Strangers()


def _listening(place: Gateway | Metrics, *, shared: bool) -> socket.socket:
    try:
        found = bound(place.host, place.port, shared=shared)
        if sys.platform == "linux":  # RFC 5482; those who connect inherit it
            found.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(1000 * UNREAD_S))
        found.listen(2048)  # only now it is known that nobody else does
    except OSError as error:
        raise not_free(place, error) from error
    found.setblocking(False)
    return found
