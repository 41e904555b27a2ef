"""The way to the cloud: channel options, keys from files, and what went wrong in one line for people."""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import grpc

from sensorium.errors import SensoriumError
from sensorium_agent.uplink.replicas import Replica

OPTIONS: Final[tuple[tuple[str, int | str], ...]] = (
    # With gRPC's defaults a link that swallows everything was not noticed in 45 s; with these in 4.5 s.
    # The service has to allow such pings: grpc.http2.min_recv_ping_interval_without_data_ms = 5000.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 4_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 500),
    ("grpc.min_reconnect_backoff_ms", 2_000),
    ("grpc.max_reconnect_backoff_ms", 10_000),
    # Each attempt is its own channel: a shared subchannel would add its backoff to ours.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_retries", 0),
)

_REASON: Final = re.compile(r"OPENSSL_internal:(\w+)(?:: ([^:]+))?")
"""What gRPC says of a handshake: a code of BoringSSL and, of a certificate, what is wrong with it."""


class CredentialsError(SensoriumError):
    """A key or certificate that the settings name cannot be used."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why there is no link.

    Attributes:
        kind: one word; the same trouble has the same kind however often it is met.
        text: one line that says how to mend it.
    """

    kind: str
    text: str


def open_channel(replica: Replica, credentials: grpc.ChannelCredentials | None) -> grpc.aio.Channel:
    """A fresh channel to ``replica``, in the clear if there are no credentials."""
    options = OPTIONS
    if replica.host:  # it is called by its address, and known by its name
        options += (("grpc.default_authority", replica.host), ("grpc.ssl_target_name_override", replica.host))
    if credentials is None:
        return grpc.aio.insecure_channel(replica.target, options)
    return grpc.aio.secure_channel(replica.target, credentials, options)


def read_credentials(
    *, ca: Path | None = None, certificate: Path | None = None, key: Path | None = None
) -> grpc.ChannelCredentials:
    """TLS with the authority in ``ca`` (the system's if None), mutual if ``certificate`` and ``key`` are given.

    All are PEM files; they are tried here, so that a wrong one is found at start.

    Raises:
        CredentialsError: a file is missing or holds something else, or key and certificate are no pair.
    """
    if (certificate is None) != (key is None):
        missing = "cloud.key" if key is None else "cloud.certificate"
        raise CredentialsError(f"{missing} is missing: mutual TLS needs both certificate and key")
    trial = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca is not None:
        try:
            trial.load_verify_locations(cafile=ca)
        except OSError as error:
            raise CredentialsError(f"cloud.ca: {ca}: {_said(error)}; name a PEM file of certificates") from error
    if certificate is not None and key is not None:
        _try_pair(trial, certificate, key)
    read = [None if path is None else path.read_bytes() for path in (ca, key, certificate)]
    return grpc.ssl_channel_credentials(*read)


def _try_pair(trial: ssl.SSLContext, certificate: Path, key: Path) -> None:
    for name, path in (("certificate", certificate), ("key", key)):
        try:
            path.read_bytes()
        except OSError as error:
            raise CredentialsError(f"cloud.{name}: {path}: {_said(error)}; name a PEM file that is there") from error
    try:
        trial.load_cert_chain(certificate, key, password=lambda: b"")
    except ssl.SSLError as error:
        raise CredentialsError(
            f"cloud.key: {key}: not the key of {certificate} ({_said(error)}); both in PEM, the key without a password"
        ) from error


def _said(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return error.reason or "not PEM"
    return error.strerror or type(error).__name__


def explain(target: str, code: grpc.StatusCode, details: str | None, *, greeted: bool = True) -> Trouble:
    """What a stream's end with ``code`` means for whoever runs the agent; ``greeted``: the service had said a word."""
    whole = " ".join((details or "").split())
    said = whole[:200]
    match code:
        case grpc.StatusCode.UNAVAILABLE:
            if _is_tls(whole):
                return Trouble("tls", f"{target}: TLS failed {_handshake(whole)}")
            return _unavailable(target, said, greeted=greeted)
        case grpc.StatusCode.UNAUTHENTICATED | grpc.StatusCode.PERMISSION_DENIED:
            return Trouble("refused", f"{target}: does not let this device in ({said}); check cloud.certificate")
        case grpc.StatusCode.UNIMPLEMENTED:
            return Trouble("stranger", f"{target}: is no fusion service of this version; check cloud.target")
        case grpc.StatusCode.OK:
            return Trouble("ended", f"{target}: the service ended the stream")
        case _:
            return Trouble(code.name.lower(), f"{target}: {code.name}: {said}")


def _unavailable(target: str, said: str, *, greeted: bool) -> Trouble:
    if not greeted and _is_hung_up(said):
        # Where it is a certificate that is missing, the service says so to itself only.
        way_out = "check cloud.tls, and whether it wants cloud.certificate and cloud.key"
        return Trouble("hung up", f"{target}: hung up without a word ({said}); {way_out}")
    return Trouble("unreachable", f"{target}: no answer ({said}); is sensorium-cloud running there?")


def _handshake(said: str) -> str:
    """Why, as far as gRPC knows, and the way out."""
    found = _REASON.search(said)
    reason = (found[2] or found[1].lower().replace("_", " ")) if found else said[:200]
    way_out = "check cloud.tls, cloud.ca, cloud.certificate, cloud.key"
    if "expired" in reason or "not yet valid" in reason:
        way_out = "have the service's certificate renewed, or set this device's clock"
    return f"({reason}); {way_out}"


def _is_hung_up(said: str) -> bool:
    return any(word in said.lower() for word in ("socket closed", "reset by peer", "broken pipe", "end of tcp stream"))


def _is_tls(said: str) -> bool:
    return any(word in said.lower() for word in ("ssl", "tls", "certificate", "handshake"))
