"""Runs the gateway's application in the service's own event loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

import uvicorn

from sensorium.errors import SensoriumError
from sensorium_cloud._app.settings import Gateway

_GRACE_S: Final = 2
_MESSAGE_BYTES: Final = 1 << 20


class GatewayTaken(SensoriumError):
    """The gateway cannot listen where it should."""


class _Server(uvicorn.Server):
    """One that leaves signals to the service."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def serving(app: Any, gateway: Gateway, *, shared: bool) -> AsyncIterator[str]:
    """``app``, reachable at the address this gives, until the block is left.

    Raises:
        GatewayTaken: the port is in use, or the address is not this machine's.
    """
    with _bound(gateway, shared=shared) as listening:
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
        server = _Server(config)
        async with asyncio.TaskGroup() as group:
            group.create_task(server.serve([listening]))
            try:
                yield f"{host}:{port}"
            finally:
                server.should_exit = True


@contextlib.contextmanager
def _bound(gateway: Gateway, *, shared: bool) -> Iterator[socket.socket]:
    try:
        family, _, _, _, address = socket.getaddrinfo(gateway.host, gateway.port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as listening:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if shared:
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            listening.bind(address)
            listening.listen(2048)
            listening.setblocking(False)
            yield listening
    except OSError as error:
        where = f"{gateway.host}:{gateway.port}"
        raise GatewayTaken(f"the gateway cannot listen on {where}: {error.strerror}; give another port") from error
