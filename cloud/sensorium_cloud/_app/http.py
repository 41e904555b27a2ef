"""Runs applications (the gateway, the metrics) in the service's own event loop, in the clear or over TLS."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final

from sensorium.errors import SensoriumError
from sensorium.settings import SettingsError
from sensorium_cloud._app.settings import Gateway, Metrics, Tls, pem

_GRACE_S: Final = 2
_MESSAGE_BYTES: Final = 1 << 20


class PlaceTaken(SensoriumError):
    """The gateway or the metrics cannot listen where they should."""


@contextlib.asynccontextmanager
async def serving(app: Any, place: Gateway | Metrics, tls: Tls, *, shared: bool) -> AsyncIterator[str]:
    """``app``, reachable at the URL this gives, until the block is left.

    Raises:
        PlaceTaken: the port is in use, or the address is not this machine's.
        SettingsError: key and certificate are no pair.
    """
    import uvicorn

    # Of each WebSocket it would tell the address with its query, in which browsers have their token.
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    context = _context(tls)
    with _bound(place, shared=shared) as listening:
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
                yield f"{'https' if context else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"
            finally:
                server.should_exit = True


@contextlib.contextmanager
def _bound(place: Gateway | Metrics, *, shared: bool) -> Iterator[socket.socket]:
    try:
        family, _, _, _, address = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as listening:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if shared:
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            listening.bind(address)
            listening.listen(2048)
            listening.setblocking(False)
            yield listening
    except OSError as error:
        raise not_free(place) from error


def not_free(place: Gateway | Metrics) -> PlaceTaken:
    """What to say when an address cannot be listened on."""
    where = f"{place.host}:{place.port}"
    if isinstance(place, Metrics):
        return PlaceTaken(f"metrics cannot be served on {where}: stop what uses it, or give another metrics.port")
    way_out = "stop what uses it, or give another --gateway (0 takes a free port)"
    return PlaceTaken(f"the gateway cannot listen on {where}: {way_out}")


def _context(tls: Tls) -> ssl.SSLContext | None:
    """For the server's side; clients need a certificate if there is an authority for them."""
    if not tls.certificate:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # Settings may hold the PEM text itself, but Python reads keys from files only: a folder nobody else can enter.
    with tempfile.TemporaryDirectory(prefix="sensorium-keys-") as folder:
        certificate, key = Path(folder, "certificate.pem"), Path(folder, "key.pem")
        certificate.write_bytes(pem(tls.certificate, "gateway.tls.certificate"))
        key.write_bytes(pem(tls.key, "gateway.tls.key"))
        try:
            context.load_cert_chain(certificate, key, password=lambda: b"")
            if tls.client_ca:
                context.load_verify_locations(cadata=pem(tls.client_ca, "gateway.tls.client_ca").decode("ascii"))
                context.verify_mode = ssl.CERT_REQUIRED
        except (ssl.SSLError, UnicodeDecodeError) as error:
            reason = f"not the key of the certificate, or not PEM ({getattr(error, 'reason', 'not text')})"
            raise SettingsError("settings", "gateway.tls.key", reason) from error
    return context
