"""How the link to the MQTT broker is kept private, and what its troubles mean."""

from __future__ import annotations

import socket
import ssl
from typing import Final

from sensorium.errors import SensoriumError
from sensorium_agent._app.settings import Mqtt

HUNG_UP: Final = "it hangs up before it answers; check [mqtt] tls, port, and whether it asks for a certificate"


class BrokerKeysError(SensoriumError):
    """An authority, certificate or key that the settings name cannot be used."""

    exit_code = 2


def context(mqtt: Mqtt) -> ssl.SSLContext | None:
    """TLS with the authority in ``ca`` (the system's if empty), and our certificate if there is one; None in the clear.

    Raises:
        BrokerKeysError: a file is missing or holds something else, or key and certificate are no pair.
    """
    if not mqtt.tls:
        return None
    if bool(mqtt.certificate) != bool(mqtt.key):
        missing = "certificate" if mqtt.key else "key"
        raise BrokerKeysError(f"mqtt.{missing} is missing: who shows a certificate needs its key; set both, or none")
    made = ssl.create_default_context()
    try:
        if mqtt.ca:
            made = ssl.create_default_context(cafile=mqtt.ca)
    except OSError as error:
        raise BrokerKeysError(f"mqtt.ca: {mqtt.ca}: {_said(error)}; name a PEM file of certificates") from error
    try:
        if mqtt.certificate:
            made.load_cert_chain(mqtt.certificate, mqtt.key, password=lambda: b"")
    except OSError as error:
        both = f"{mqtt.certificate}, {mqtt.key}"
        raise BrokerKeysError(
            f"mqtt.certificate: {both}: {_said(error)}; name a certificate and its key, both in PEM, without a password"
        ) from error
    return made


def way_out(error: BaseException | None) -> str:
    """What to check when no broker answers, by what went wrong."""
    if isinstance(error, ssl.SSLCertVerificationError):
        wrong = f"the broker's certificate is not trusted ({error.verify_message})"
        return f"{wrong}; set [mqtt] ca, or host as the certificate has it"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed ({_said(error)}); check [mqtt] tls, port, certificate"
    if isinstance(error, socket.gaierror):
        return "nobody knows this name; check [mqtt] host"
    if isinstance(error, ConnectionError) and not isinstance(error, ConnectionRefusedError):
        return HUNG_UP
    return "nobody answers; check [mqtt] host and port, and that the broker runs"


def _said(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return error.reason or "not PEM"
    return error.strerror or type(error).__name__
