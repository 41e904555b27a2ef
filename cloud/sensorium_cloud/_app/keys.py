"""Certificates and keys, tried before anybody has to trust them: which file is damaged, what fits nothing, what ends.

The service is tried as a client would try it, without a network: by a handshake with itself.
"""

from __future__ import annotations

import contextlib
import logging
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sensorium.settings import SettingsError
from sensorium_cloud._app.settings import Settings, Tls, pem

log = logging.getLogger(__name__)

_NO_PAIR: Final = ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED")
"""What OpenSSL says of a key that is whole, and another certificate's."""
_WEAK: Final = ("TOO_SMALL", "TOO_WEAK")
"""How OpenSSL's words end for what is too easily forged to be shown."""
_TURNS: Final = 4
"""Of a handshake: TLS 1.3 takes two of each side."""


def check(found: Settings, where: str = "settings") -> None:
    """Try everything that the settings in ``where`` name, and say in the log what no client will take.

    Raises:
        SettingsError: a file is damaged, locked with a password, or key and certificate are no pair.
    """
    for table, tls in (("tls", found.tls), ("gateway.tls", found.gateway.tls)):
        context(tls, table, where)
        if tls.certificate and (reason := term(tls, table, where).refused):
            way_out = "clients will not connect: renew it, and start again"
            log.warning("tls.unfit setting=%s.certificate reason=%s; %s", table, reason, way_out)


def context(tls: Tls, table: str, where: str = "settings") -> ssl.SSLContext | None:
    """For the server's side of ``tls``; clients need a certificate if there is an authority for them.

    Args:
        tls: files, or their text.
        table: where the settings have it.
        where: the settings.

    Raises:
        SettingsError: as `check` does.
    """
    if not tls.certificate:
        return None
    found = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _trust(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), tls.certificate, f"{table}.certificate", where)
    _load_pair(found, tls, table, where)
    if tls.client_ca:
        _trust(found, tls.client_ca, f"{table}.client_ca", where)
        found.verify_mode = ssl.CERT_REQUIRED
    return found


@dataclass(frozen=True, slots=True)
class Term:
    """Until when a certificate is good.

    Attributes:
        until_s: wall time, seconds since 1970; None of one that is refused.
        refused: why clients will not take it, whomever they trust; empty if they will.
    """

    until_s: float | None
    refused: str = ""


def term(tls: Tls, table: str = "tls", where: str = "settings") -> Term:
    """What a client finds that trusts just this certificate.

    Raises:
        SettingsError: as `check` does, or no client could come to terms with it.
    """
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    _trust(client, tls.certificate, f"{table}.certificate", where)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _load_pair(server, tls, table, where)
    try:
        ends = _shown(client, server)
    except ssl.SSLCertVerificationError as error:
        return Term(None, error.verify_message)
    except ssl.SSLError as error:
        reason = f"{_named(tls.key)}of a kind that clients do not know; make one of RSA or P-256"
        raise SettingsError(where, f"{table}.key", reason) from error
    return Term(ssl.cert_time_to_seconds(ends))


def _shown(client: ssl.SSLContext, server: ssl.SSLContext) -> str:
    """The last moment of the certificate that ``server`` shows, after a handshake in memory."""
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = client.wrap_bio(back, there)
    sides = (asking, server.wrap_bio(there, back, server_side=True))
    for side in sides * _TURNS:
        with contextlib.suppress(ssl.SSLWantReadError):
            side.do_handshake()
    shown = asking.getpeercert()
    assert shown is not None, "the handshake is done"
    return str(shown["notAfter"])


def _trust(trusting: ssl.SSLContext, value: str, key: str, where: str) -> None:
    text = pem(value, key, where).decode("ascii", "ignore")  # between certificates there may be names in any language
    try:
        trusting.load_verify_locations(cadata=text)
    except ssl.SSLError as error:
        raise SettingsError(where, key, f"{_named(value)}no certificate, or a damaged one") from error


def _load_pair(found: ssl.SSLContext, tls: Tls, table: str, where: str) -> None:
    locked = False

    def password() -> bytes:
        nonlocal locked
        locked = True
        return b""

    # Settings may hold the PEM text itself, but Python reads keys from files only: a folder nobody else can enter.
    with tempfile.TemporaryDirectory(prefix="sensorium-keys-") as folder:
        certificate, key = Path(folder, "certificate.pem"), Path(folder, "key.pem")
        certificate.write_bytes(pem(tls.certificate, f"{table}.certificate", where))
        key.write_bytes(pem(tls.key, f"{table}.key", where))
        try:
            found.load_cert_chain(certificate, key, password=password)
        except ssl.SSLError as error:
            reason = _reason(error, locked=locked)
            raise SettingsError(where, f"{table}.key", f"{_named(tls.key)}{reason}") from error


def _reason(error: ssl.SSLError, *, locked: bool) -> str:
    if locked:
        return "locked with a password; write it without one: openssl pkey -in KEY -out NEW_KEY"
    if error.reason in _NO_PAIR:
        return "not the key of the certificate"
    if (error.reason or "").endswith(_WEAK):
        return "its certificate is too weak; make one of RSA with 2048 bits or of P-256, signed with SHA-256"
    return "no private key, or a damaged one"


def _named(value: str) -> str:
    """The file, unless ``value`` is the text itself."""
    return "" if "\n" in value else f"{value}: "
