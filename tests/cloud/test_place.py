"""Where the service cannot listen is said with the reason that the system gives, and the way out."""

from __future__ import annotations

import errno
import socket

import pytest

from sensorium_cloud._app.place import AddressTaken, bound, claimed, kept, not_free, overlaps, tried, written
from sensorium_cloud._app.settings import Gateway, Listen, Metrics, Settings


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


def free_port() -> int:
    with bound("127.0.0.1", 0) as found:
        return int(found.getsockname()[1])


def test_a_port_is_kept_from_other_services_before_anybody_listens() -> None:
    port = free_port()
    settings = Settings(listen=Listen(port=0), gateway=Gateway(enabled=True, port=port))
    taken = f"the gateway cannot listen on 127.0.0.1:{port}: another sensorium-cloud has it, and may be starting"
    with kept(settings), pytest.raises(AddressTaken, match=taken), kept(settings):
        pass
    with kept(settings):
        pass


def test_what_is_not_enabled_and_any_free_port_are_kept_from_nobody() -> None:
    settings = Settings(listen=Listen(port=0), metrics=Metrics(port=free_port()))
    with kept(settings), kept(settings):
        pass


def test_a_service_for_all_addresses_and_one_for_a_single_one_share_no_port() -> None:
    port = free_port()
    for one, other in (("0.0.0.0", "localhost"), ("127.0.0.1", "0.0.0.0")):
        with claimed(one, port), pytest.raises(OSError, match="claimed"), claimed(other, port):
            pass
    with claimed("127.0.0.1", port), claimed("127.0.0.2", port):
        assert not overlaps(f"sensorium-cloud/{port}/127.0.0.1", f"sensorium-cloud/{port}/127.0.0.2")
