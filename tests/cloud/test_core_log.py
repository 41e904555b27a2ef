"""Why a device was not let in is one line on this side too, though only gRPC's core knows."""

from __future__ import annotations

import logging
import os

import pytest

from sensorium_cloud._app.core_log import Seldom, is_core, refusal, retold

CORE = "I1123 06:39:01.187591   18920 ssl_transport_security.cc:2563] "
FAILED = CORE + "Handshake failed with error SSL_ERROR_SSL: error:10:SSL routines:OPENSSL_internal:"


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("PEER_DID_NOT_RETURN_A_CERTIFICATE: Invalid context", "showed no certificate"),
        ("CERTIFICATE_VERIFY_FAILED: self signed certificate", "is not of tls.client_ca"),
        ("CERTIFICATE_VERIFY_FAILED: certificate has expired", "has expired"),
        ("CERTIFICATE_VERIFY_FAILED: certificate is not yet valid", "set this clock"),
        ("WRONG_VERSION_NUMBER: Invalid context", "does not speak TLS"),
        ("NO_SHARED_CIPHER: none", "no shared cipher (none)"),
        ("NO_SHARED_CIPHER", "no shared cipher (no more was said)"),
    ],
)
def test_a_failed_handshake_has_a_reason(said: str, reason: str) -> None:
    found = refusal(FAILED + said)

    assert found is not None
    assert reason in found


def test_what_is_not_of_a_handshake_is_no_refusal() -> None:
    assert refusal(CORE + "something else") is None
    assert refusal("Handshake failed with error OPENSSL_internal:WRONG_VERSION_NUMBER: x") is None
    assert is_core(CORE + "something else")
    assert not is_core("Traceback (most recent call last):")


def test_the_core_is_retold_and_everything_else_passes(capfd: pytest.CaptureFixture[str]) -> None:
    told: list[str] = []
    with retold(told.append):
        for line in (FAILED + "WRONG_VERSION_NUMBER: x", CORE + "noise", "somebody else"):
            os.write(2, line.encode() + b"\n")
    os.write(2, b"afterwards\n")

    assert told == ["a device does not speak TLS; set its cloud.tls"]
    assert capfd.readouterr().err == "somebody else\nafterwards\n"


def test_a_reason_that_comes_up_all_the_time_is_told_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    now_s = [0.0]
    tell = Seldom(lambda: now_s[0])
    with caplog.at_level(logging.WARNING):
        for now_s[0], reason in ((0, "no key"), (1, "no key"), (2, "old key"), (59, "no key"), (60, "no key")):
            tell(reason)

    assert caplog.messages == [
        "tls.refused reason=no key more=0",
        "tls.refused reason=old key more=0",
        "tls.refused reason=no key more=2",
    ]
