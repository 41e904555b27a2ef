"""The port that devices come to: what gRPC takes there, from whom, and for how long."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import grpc

from sensorium_cloud._app import keys
from sensorium_cloud._app.place import not_free, tried, written
from sensorium_cloud._app.settings import Listen, Tls, pem

_HARD_LIMIT: Final = 4
"""gRPC takes messages this much larger than we do, so that we can refuse them and keep the stream."""
_UNREAD_BYTES: Final = 1 << 18
"""What a stream may send ahead of us: a device a tenth of a second away can send 2.5 MB a second."""
_MOST_MS: Final = (1 << 31) - 1
"""gRPC's options are 32-bit numbers."""


def opened(listen: Listen, tls: Tls, *, shared: bool) -> tuple[grpc.aio.Server, str]:
    """A server that is not started yet, and the address it is bound to.

    ``shared``: whether other processes listen on the same port.

    Raises:
        AddressTaken: the port is in use, or the address is not this machine's.
        SettingsError: a key or certificate cannot be used.
    """
    server = grpc.aio.server(options=_options(listen, shared=shared))
    host = written(listen.host)
    wanted = f"{host}:{listen.port}"
    try:
        credentials = _credentials(tls)
        bound = server.add_secure_port(wanted, credentials) if credentials else server.add_insecure_port(wanted)
    except RuntimeError as error:
        keys.context(tls, "tls")  # gRPC only says that it cannot listen
        raise not_free(listen, tried(listen.host, listen.port)) from error
    return server, f"{host}:{bound}"


def _credentials(tls: Tls) -> grpc.ServerCredentials | None:
    if not tls.certificate:
        return None
    client_ca = pem(tls.client_ca, "tls.client_ca") or None
    pair = (pem(tls.key, "tls.key"), pem(tls.certificate, "tls.certificate"))
    return grpc.ssl_server_credentials([pair], client_ca, require_client_auth=client_ca is not None)


def _options(listen: Listen, *, shared: bool) -> Sequence[tuple[str, int]]:
    return (
        ("grpc.max_receive_message_length", _HARD_LIMIT * listen.max_message_bytes),
        # Unless it is meant, a second service on the port would silently take half of the devices.
        ("grpc.so_reuseport", int(shared)),
        # Devices ping every 10 s, also between windows, to notice a dead link.
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        # Nobody is asked again and again how wide the way is: one in seven sends and receives was for such pings.
        ("grpc.http2.bdp_probe", 0),
        ("grpc.http2.lookahead_bytes", _UNREAD_BYTES),
        *_ageing(listen),
        # Thousands of devices may come back at once after an outage.
        ("grpc.server.max_pending_requests", 20_000),
        ("grpc.server.max_pending_requests_hard_limit", 40_000),
    )


def _ageing(listen: Listen) -> Sequence[tuple[str, int]]:
    """When connections get a GOAWAY: gRPC spreads it by a tenth, so that not all come back at once."""
    if not listen.connection_age_s:
        return ()
    age_ms, grace_ms = round(1000 * listen.connection_age_s), round(1000 * listen.connection_grace_s)
    return (
        ("grpc.max_connection_age_ms", min(max(age_ms, 1), _MOST_MS)),
        ("grpc.max_connection_age_grace_ms", min(max(grace_ms, 1), _MOST_MS)),
    )
