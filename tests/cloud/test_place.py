"""Where the service cannot listen is said with the reason that the system gives, and the way out."""

from __future__ import annotations

import errno
import socket

import pytest

from sensorium_cloud._app.place import bound, not_free, tried, written
from sensorium_cloud._app.settings import Gateway, Listen, Metrics


def test_a_port_that_somebody_has_and_an_address_that_nobody_has_differ() -> None:
    with bound("127.0.0.1", 0) as other:
        other.listen()
        port = other.getsockname()[1]
        taken = not_free(Listen(port=port), tried("127.0.0.1", port))
    elsewhere = not_free(Gateway(host="192.0.2.1"), tried("192.0.2.1", 0))

    way_out = "stop what uses it, or give another --port (0 takes a free one)"
    assert str(taken) == f"cannot listen on 127.0.0.1:{port}: it is in use; {way_out}"
    assert str(elsewhere) == (
        "the gateway cannot listen on 192.0.2.1:8080: not an address of this machine; give another --gateway"
    )
    assert tried("127.0.0.1", port) is None


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        (socket.gaierror(socket.EAI_NONAME, ""), "nobody knows that name; give another metrics.host"),
        (OSError(errno.EACCES, ""), "the system keeps such ports for itself; give another metrics.port"),
        (OSError(errno.EAFNOSUPPORT, ""), "not an address of this machine; give another metrics.host"),
        (OSError(errno.EMFILE, "Too many open files"), "Too many open files; give another metrics.port"),
        (None, "the system refused; give another metrics.port"),
    ],
)
def test_each_reason_has_its_way_out(reason: OSError | None, said: str) -> None:
    assert str(not_free(Metrics(host="::1"), reason)) == f"metrics cannot be served on [::1]:9464: {said}"


def test_several_processes_may_share_a_port_and_no_other_gets_it() -> None:
    with bound("127.0.0.1", 0, shared=True) as one:
        port = one.getsockname()[1]
        with bound("127.0.0.1", port, shared=True):
            one.listen()
            assert getattr(tried("127.0.0.1", port), "errno", None) == errno.EADDRINUSE


def test_an_address_of_version_6_is_written_in_brackets() -> None:
    assert (written("::1"), written("127.0.0.1")) == ("[::1]", "127.0.0.1")
