"""Why a client of the gateway was not let in over TLS, as a line in the log: event loops say nothing of it."""

from __future__ import annotations

import ssl
from typing import Final

from sensorium_cloud._app.core_log import Seldom

_OUT_OF_DATE: Final = ("certificate has expired", "certificate is not yet valid")
_PLAIN: Final = "a client of the gateway does not speak TLS; its address begins with https:// or wss://"
_STRANGE: Final = "a client of the gateway does not know who signed its certificate; give it that authority"
_WHY: Final = {
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "a client of the gateway showed no certificate; give it one",
    "HTTP_REQUEST": _PLAIN,
    "WRONG_VERSION_NUMBER": _PLAIN,
    "TLSV1_ALERT_UNKNOWN_CA": _STRANGE,
    "SSLV3_ALERT_BAD_CERTIFICATE": _STRANGE,
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": _STRANGE,
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "a client of the gateway finds its certificate expired; renew it",
}
_tell: Final = Seldom()


class Handshake(ssl.SSLObject):
    """Tells why it failed, if that is the other side's doing: each reason once a minute."""

    def do_handshake(self) -> None:
        """One turn of it."""
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError, ssl.SSLEOFError, ssl.SSLZeroReturnError):
            raise  # it goes on, or somebody only looked whether the port is there
        except ssl.SSLError as error:
            _tell(why(error))
            raise


def why(error: ssl.SSLError) -> str:
    """What ``error`` means, and the way out where there is one."""
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_message in _OUT_OF_DATE:
            return "a client's certificate has expired, or is not yet valid; give it another, or set this clock"
        return f"a client's certificate is not of gateway.tls.client_ca ({error.verify_message})"
    reason = error.reason or "no reason was given"
    return _WHY.get(reason, f"of a client of the gateway: {reason.lower().replace('_', ' ')}")
