"""Runs applications (the gateway, the metrics) in the service's own event loop, in the clear or over TLS."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import AsyncIterator
from typing import Any, Final

from sensorium_cloud._app import keys
from sensorium_cloud._app.place import bound, not_free, written
from sensorium_cloud._app.settings import Gateway, Metrics, Tls

_GRACE_S: Final = 2
_MESSAGE_BYTES: Final = 1 << 20
_SILENCE_S: Final = 60.0


@contextlib.asynccontextmanager
async def serving(app: Any, place: Gateway | Metrics, tls: Tls, *, shared: bool) -> AsyncIterator[str]:
    """``app``, reachable at the URL this gives, until the block is left.

    Raises:
        AddressTaken: the port is in use, or the address is not this machine's.
        SettingsError: a key or a certificate cannot be used.
    """
    import uvicorn

    uvicorns = logging.getLogger("uvicorn.error")
    # Of each WebSocket it would tell the address with its query, in which browsers have their token.
    uvicorns.setLevel(logging.WARNING)
    uvicorns.addFilter(_NOT_HTTP)
    context = keys.context(tls, "gateway.tls")
    with _listening(place, shared=shared) as listening:
        host, port = listening.getsockname()[:2]
        config = uvicorn.Config(
            app,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            ws_max_size=_MESSAGE_BYTES,
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


class _NotHttp(logging.Filter):
    """Has what is no HTTP told once a minute: anybody can send it as often as they like."""

    def __init__(self) -> None:
        super().__init__()
        self._again_s = 0.0

    def filter(self, record: logging.LogRecord) -> bool:
        if not str(record.msg).startswith("Invalid HTTP request"):
            return True
        now_s = time.monotonic()
        if now_s < self._again_s:
            return False
        self._again_s = now_s + _SILENCE_S
        record.msg = "gateway.not_http: somebody speaks TLS, gRPC or something else to a port of HTTP"
        return True


_NOT_HTTP: Final = _NotHttp()


def _listening(place: Gateway | Metrics, *, shared: bool) -> socket.socket:
    try:
        found = bound(place.host, place.port, shared=shared)
        found.listen(2048)  # only now it is known that nobody else does
    except OSError as error:
        raise not_free(place, error) from error
    found.setblocking(False)
    return found
