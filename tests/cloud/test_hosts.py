"""A session has one room in all processes, whoever opens it, loses messages, or is killed."""

from __future__ import annotations

import random
from collections import Counter

import msgspec
import pytest

from sensorium.errors import FieldError
from sensorium_cloud.rooms.hosts import HERE, Closed, Fed, Hosts, Kind, News, Rooms, Told

S = 1_000_000_000


class Town:
    """Processes, the way between them, and what came of it."""

    def __init__(self, *names: str, loss: float = 0.0, seed: int = 0) -> None:
        self.hosts = {name: Hosts(name) for name in names}
        self.now_ns = 100 * S
        self.moved: Counter[str] = Counter()
        self.fed: list[tuple[str, bytes]] = []
        self.told: list[tuple[str, bytes]] = []
        self.sent = 0
        self._loss, self._chance = loss, random.Random(seed)

    def act(self, name: str, news: News) -> None:
        """Deliver what ``name`` says, and all that follows."""
        self.moved[name] += len(news.moved)
        self.fed += [(name, fed.event) for fed in news.fed]
        self.told += [(name, told.line) for told in news.told]
        for to, message in news.say:
            self.sent += 1
            for other in [to] if to else [other for other in self.hosts if other != name]:
                if other in self.hosts and self._chance.random() >= self._loss:
                    self.act(other, self.hosts[other].hear(message, self.now_ns))

    def enter(self, name: str, session: str = "kitchen") -> None:
        self.act(name, self.hosts[name].enter(session, self.now_ns))

    def wait(self, seconds: int) -> None:
        for _ in range(seconds):
            self.now_ns += S
            for name, hosts in self.hosts.items():
                self.act(name, hosts.tick(self.now_ns))

    def kill(self, name: str) -> None:
        """Nobody is told."""
        del self.hosts[name]

    def where(self, session: str = "kitchen") -> dict[str, str]:
        """Where each process thinks that the room is."""
        return {name: hosts.host(session) or name for name, hosts in self.hosts.items()}


def test_who_comes_second_goes_to_the_room_of_the_first() -> None:
    town = Town("a", "b", "c")
    for name in ("b", "a", "c"):
        town.enter(name)
        town.wait(2)

    assert town.where() == {"a": "b", "b": "b", "c": "b"}
    assert town.hosts["b"].guests("kitchen") == ("a", "c")
    assert sum(town.moved.values()) == 0  # they knew of it before they came


def test_rooms_that_are_opened_at_the_same_time_become_one() -> None:
    town = Town("a", "b", loss=1.0)
    town.enter("a")
    town.enter("b")
    town._loss = 0.0
    town.wait(5)

    assert town.where() == {"a": "a", "b": "a"}
    assert town.moved == Counter(b=1)


def test_the_older_of_two_rooms_stays_whoever_is_first_in_the_alphabet() -> None:
    town = Town("a", "b", loss=1.0)
    town.enter("b")
    town.wait(3)
    town._loss = 0.0
    town.enter("a")

    assert town.where() == {"a": "b", "b": "b"}


def test_what_is_said_anywhere_comes_to_the_room_and_what_is_understood_to_all_but_who_understood_it() -> None:
    town = Town("a", "b", "c")
    for name in ("a", "b", "c"):
        town.enter(name)
    town.act("b", town.hosts["b"].feed("kitchen", "boot", b"hello", town.now_ns))
    town.act("a", town.hosts["a"].tell("kitchen", "boot", Kind.ANSWER, b"yes"))
    town.act("c", town.hosts["c"].tell("kitchen", "boot", Kind.ASIDE, b"overheard"))

    assert town.fed == [("a", b"hello")]
    assert town.told == [("b", b"yes"), ("c", b"yes"), ("a", b"overheard"), ("b", b"overheard")]


def test_a_process_that_only_serves_devices_tells_the_room_what_they_mean() -> None:
    town = Town("people", "devices")
    town.enter("people")
    town.act("devices", town.hosts["devices"].tell("kitchen", "boot", Kind.ASIDE, b"thumb up"))
    sent = town.sent
    town.act("devices", town.hosts["devices"].tell("attic", "boot", Kind.ASIDE, b"nobody listens"))

    assert town.told == [("people", b"thumb up")]
    assert town.sent == sent


def test_when_its_process_is_known_to_be_gone_the_room_is_opened_elsewhere_at_once() -> None:
    town = Town("a", "b", "c")
    for name in ("a", "b", "c"):
        town.enter(name)
    town.kill("a")
    for name in ("b", "c"):
        town.act(name, town.hosts[name].lost("a", town.now_ns))

    assert town.where() == {"b": "b", "c": "b"}


def test_a_process_that_falls_silent_is_given_up_after_some_seconds() -> None:
    town = Town("a", "b", "c")
    for name in ("a", "b", "c"):
        town.enter(name)
    town.kill("a")
    town.wait(2)
    assert town.where() == {"b": "a", "c": "a"}

    town.wait(3)
    assert town.where() == {"b": "b", "c": "b"}
    town.wait(20)
    assert town.where() == {"b": "b", "c": "b"}
    assert town.hosts["b"].guests("kitchen") == ("c",)


def test_a_process_that_stops_leaves_its_rooms_to_its_guests() -> None:
    town = Town("a", "b")
    town.enter("a")
    town.enter("b")
    town.act("a", town.hosts["a"].close())

    assert town.where()["b"] == "b"
    assert town.moved == Counter(b=1)


def test_whoever_is_taken_for_the_host_and_is_not_says_so() -> None:
    town = Town("a", "b")
    town.enter("a")
    town.enter("b")
    town.hosts["a"] = Hosts("a")  # started anew under the same name
    town.act("b", town.hosts["b"].feed("kitchen", "boot", b"hello", town.now_ns))

    assert town.where() == {"a": "b", "b": "b"}


def test_a_room_that_everybody_has_left_is_forgotten_everywhere() -> None:
    town = Town("a", "b")
    town.enter("a")
    town.act("a", town.hosts["a"].leave("kitchen"))

    assert {name: hosts.host("kitchen") for name, hosts in town.hosts.items()} == {"a": None, "b": None}


@pytest.mark.parametrize("seed", range(20))
def test_however_many_messages_are_lost_there_is_one_room_in_the_end(seed: int) -> None:
    town = Town("a", "b", "c", "d", loss=0.5, seed=seed)
    chance = random.Random(seed)
    for name in chance.sample(sorted(town.hosts), 4):
        town.enter(name)
        town.wait(chance.randrange(3))
    town.kill(chance.choice(sorted(town.hosts)))
    town.wait(10)
    town._loss = 0.0
    town.wait(15)

    (host,) = set(town.where().values())
    assert town.hosts[host].host("kitchen") == HERE
    assert set(town.hosts[host].guests("kitchen")) == town.hosts.keys() - {host}


def test_a_thousand_rooms_without_guests_cost_a_message_every_five_seconds() -> None:
    town = Town("a", "b")
    for number in range(1000):
        town.enter("a", f"s{number}")
    town.sent = 0
    town.wait(10)

    assert town.sent <= 4  # settled rooms and new ones go apart


def test_what_two_processes_pass_on_to_each_other_goes_round_only_once() -> None:
    """Each may take the other for the host for a moment."""
    town = Town("a", "b")
    town.enter("a")
    town.enter("b")
    town.hosts["a"]._places["kitchen"].host = "b"
    town.act("b", town.hosts["b"].tell("kitchen", "boot", Kind.ASIDE, b"x"))

    assert town.sent < 20


@pytest.mark.parametrize(
    "wrong",
    [b"", b"\xff", msgspec.msgpack.encode(["rooms", "b"]), msgspec.msgpack.encode(["told", "b", "s", "b", "?"])],
)
def test_what_is_no_message_is_refused(wrong: bytes) -> None:
    with pytest.raises(FieldError):
        Hosts("a").hear(wrong, 0)


def test_its_own_words_are_nothing_new_to_a_process() -> None:
    own = (
        Rooms("a", ("kitchen",), settled=True),
        Closed("a", ("kitchen",)),
        Fed("a", "kitchen", "boot", 0, b""),
        Told("a", "kitchen", "boot", Kind.ANSWER, b""),
    )
    hosts = Hosts("a")
    hosts.enter("kitchen", 0)

    assert [hosts.hear(msgspec.msgpack.encode(one), 0) for one in own] == [News()] * 4


def test_text_that_is_no_utf_8_is_no_message() -> None:
    whole = msgspec.msgpack.encode(Rooms("b", ("kitchen",), settled=False))
    with pytest.raises(FieldError):
        Hosts("a").hear(whole.replace(b"kitchen", b"k\xfftchen"), 100 * S)
