"""Which replica of the service a device talks to: the same while it is there, else the next of the device's own order.

A name with several addresses, or several names, are replicas of one service. Left to itself gRPC puts every stream of
a cold channel on the address it reaches first; here each device has an order of its own (highest random weight:
Thaler and Ravishankar, 1998), so that devices spread evenly, and those of a replica that dies over all others.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

from sensorium.settings import SettingsError

_PREFIX: Final = {socket.AF_INET: "ipv4:{}:{}", socket.AF_INET6: "ipv6:[{}]:{}"}


@dataclass(frozen=True, slots=True)
class Replica:
    """One address of the service.

    Attributes:
        target: what gRPC connects to.
        host: whose name its certificate has to bear; empty where ``target`` says it.
    """

    target: str
    host: str = ""


def named(targets: str) -> tuple[tuple[str, int], ...]:
    """The host and port of each of ``host:port, host:port``.

    Raises:
        SettingsError: it names none, or something else.
    """
    return tuple(_place(target.strip(), targets) for target in targets.split(","))


def _place(target: str, targets: str) -> tuple[str, int]:
    host, _, port = target.rpartition(":")
    if not host or not port.isascii() or not port.isdecimal() or not 0 < int(port) < 65536:
        raise SettingsError("cloud.target", targets, "is no address: write host:port, or several with commas")
    return host.strip("[]"), int(port)


def ranked(replicas: Iterable[Replica], device_id: str) -> list[Replica]:
    """All of them, the device's own first; one more or less leaves the order of the others as it was."""

    def weight(replica: Replica) -> bytes:
        return blake2b(f"{device_id}\0{replica.target}".encode(), digest_size=8).digest()

    return sorted(set(replicas), key=weight, reverse=True)


class Rounds:
    """Goes from replica to replica: each is tried once before any is waited for."""

    def __init__(self) -> None:
        self._tried: set[Replica] = set()
        self._chosen: Replica | None = None

    def choose(self, order: Sequence[Replica]) -> Replica:
        """The first of ``order`` that was not tried in this round; a new round begins where all were."""
        left = [replica for replica in order if replica not in self._tried]
        if not left:
            self._tried.clear()
            left = list(order)
        self._chosen = left[0]
        self._tried.add(self._chosen)
        return self._chosen

    def welcomed(self) -> None:
        """The one that was chosen is well: should it fail, all others are worth a try."""
        self._tried = {self._chosen} if self._chosen else set()

    def more(self, order: Sequence[Replica]) -> bool:
        """Whether somebody is left to be tried without waiting."""
        return bool(self._tried) and not self._tried.issuperset(order)


async def resolve(targets: str) -> list[Replica]:
    """The replicas behind ``host:port, host:port``, in no order; a name that is unknown is left to gRPC to explain."""
    loop = asyncio.get_running_loop()
    found: list[Replica] = []
    for host, port in named(targets):
        try:
            infos = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError:
            infos = []
        found += _of_one_name(host, port, infos)
    return found


def _of_one_name(host: str, port: int, infos: Iterable[Any]) -> list[Replica]:
    """A machine often has an IPv4 and an IPv6 address; only several of one family are several machines."""
    of = {family: sorted({at[0] for kind, _, _, _, at in infos if kind == family}) for family in _PREFIX}
    addresses, prefix = next(((of[f], _PREFIX[f]) for f in _PREFIX if len(of[f]) > 1), ([], ""))
    if not addresses:
        return [Replica(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")]
    return [Replica(prefix.format(address, port), host) for address in addresses]
