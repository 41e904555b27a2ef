"""What gRPC's core writes to standard error, as log lines of ours: only there does it say why a device was not let in.

The core knows no hook, so file descriptor 2 is read through a pipe; all that is not the core's passes on as it is.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

log = logging.getLogger(__name__)

VERBOSITY: Final = "GRPC_VERBOSITY"
"""The core's own variable, read once when it is loaded; only from INFO on does it tell of handshakes."""

_CORE: Final = re.compile(r"^[IWEF]\d{4} [\d:.]+ +\d+ \S+\.cc:\d+\] (.*)$")
_HANDSHAKE: Final = re.compile(r"Handshake failed with error .*OPENSSL_internal:(\w+)(?:: (.*))?")
_SILENCE_S: Final = 60.0
_OUT_OF_DATE: Final = "a device's certificate has expired, or is not yet valid; give it another, or set this clock"
_WHY: Final = {
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "a device showed no certificate; set its cloud.certificate and cloud.key",
    "CERTIFICATE_VERIFY_FAILED": "a device's certificate is not of tls.client_ca",
    "WRONG_VERSION_NUMBER": "a device does not speak TLS; set its cloud.tls",
    "HTTP_REQUEST": "a device does not speak TLS; set its cloud.tls",
    "TLSV1_ALERT_UNKNOWN_CA": "a device does not know who signed tls.certificate; set its cloud.ca",
    "SSLV3_ALERT_BAD_CERTIFICATE": "a device does not take tls.certificate; set its cloud.ca",
}


def refusal(line: str) -> str | None:
    """Why a device was not let in, if ``line`` is the core's word on that."""
    core = _CORE.match(line)
    said = _HANDSHAKE.search(core[1]) if core else None
    if said is None:
        return None
    if said[2] and ("has expired" in said[2] or "not yet valid" in said[2]):
        return _OUT_OF_DATE
    return _WHY.get(said[1], f"{said[1].lower().replace('_', ' ')} ({said[2] or 'no more was said'})")


class Seldom:
    """Logs a reason when it comes up, and again at most once a minute, with how often it did meanwhile."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._told: dict[str, tuple[float, int]] = {}

    def __call__(self, reason: str) -> None:
        now_s = self._now_s()
        since_s, unsaid = self._told.get(reason, (-_SILENCE_S, 0))
        if now_s - since_s < _SILENCE_S:
            self._told[reason] = since_s, unsaid + 1
            return
        log.warning("tls.refused reason=%s more=%d", reason, unsaid)
        self._told[reason] = now_s, 0


def is_core(line: str) -> bool:
    """Whether gRPC's core wrote ``line``."""
    return _CORE.match(line) is not None


@contextmanager
def retold(tell: Callable[[str], None]) -> Iterator[None]:
    """While inside, ``tell`` gets the reason of each failed handshake, in a thread; the core's other lines are dropped.

    Python's own standard error goes past the pipe; processes started meanwhile write into it.
    """
    sys.stderr.flush()
    kept, before = os.dup(2), sys.stderr
    hears, says = os.pipe()
    os.dup2(says, 2)
    os.close(says)
    sys.stderr = os.fdopen(os.dup(kept), "w", buffering=1, errors="backslashreplace")
    _redirect_logging(before, sys.stderr)
    listening = threading.Thread(target=_listen, args=(hears, kept, tell), name="core-log", daemon=True)
    listening.start()
    try:
        yield
    finally:
        os.dup2(kept, 2)  # the pipe's last writer: the thread reads to the end
        listening.join(1.0)
        _redirect_logging(sys.stderr, before)
        sys.stderr.close()
        sys.stderr = before
        os.close(kept)


def _redirect_logging(before: object, after: object) -> None:
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler) and handler.stream is before:
            handler.setStream(after)


def _listen(hears: int, kept: int, tell: Callable[[str], None]) -> None:
    with os.fdopen(hears, "rb") as lines:
        for raw in lines:
            line = raw.decode(errors="replace").rstrip()
            if (reason := refusal(line)) is not None:
                tell(reason)
            elif not is_core(line):
                os.write(kept, raw)
