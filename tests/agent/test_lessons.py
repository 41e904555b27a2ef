"""What was taught is in the agent's vocabulary, in its symbols, and told to the cloud."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from agent.doubles import Ear
from agent.fake_cloud import FakeCloud

from sensorium.event import Event, Modality
from sensorium.window import Presence, Slot, Window
from sensorium_agent._app import knowledge, learning
from sensorium_agent._app.cloud_link import CloudLink
from sensorium_agent._app.settings import Cloud, Settings, Spool
from sensorium_agent.fuse.symbol import fuse
from sensorium_agent.infer import taught
from sensorium_agent.infer.taught import HAND, MOST_EXAMPLES, SOUND, WAY, Form, Lesson, Sign, Taught, TaughtError
from sensorium_agent.offload import Egress

HANDS = ((0.5,) * HAND,)
VULCAN = Sign("vulcan", Modality.GESTURE, "prosper", HANDS)
PROSPER = Lesson("Live long and prosper.", ("live long",))
CROSSED = Sign("crossed", Modality.HAPTIC, "stop")
BOARD = Taught().with_sign(VULCAN, PROSPER).with_sign(CROSSED)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    chosen = Settings(spool=Spool(directory=str(tmp_path / "spool")))
    taught.write(chosen.taught_file, BOARD.export())
    return chosen


class Linked(Ear):
    def __init__(self) -> None:
        super().__init__()
        self.linked = asyncio.Event()

    def on_status(self, kind: str, **what: object) -> None:
        super().on_status(kind, **what)
        if kind == "link":
            self.linked.set()


def a_window(*events: Event) -> Window:
    def slot(modality: Modality) -> Slot:
        own = tuple(event for event in events if event.modality is modality)
        return Slot(modality, Presence.PRESENT, own, 0, 0) if own else Slot(modality, Presence.ABSENT)

    return Window("w.0", "w", 0, 0, 0, 500, 501, tuple(map(slot, Modality)))


def named(settings: Settings, *events: Event) -> str | None:
    vocabulary = knowledge.vocabulary(settings)
    return fuse(a_window(*events), vocabulary, now_ns=501, device="d", software="s").concept


def test_symbols_name_what_was_taught(settings: Settings) -> None:
    sign = Event(Modality.GESTURE, "g", 0, "w", 400, label="vulcan", score=0.9)
    words = Event(Modality.TEXT, "t", 0, "w", 400, text="live long")
    stroke = Event(Modality.HAPTIC, "h", 0, "w", 400, label="crossed", score=0.9)

    assert named(settings, sign) == "prosper"
    assert named(settings, words) == "prosper"
    assert named(settings, stroke) == "stop"


def test_the_cloud_is_told_what_each_concept_means_here(settings: Settings) -> None:
    prosper, stop = learning.lessons(settings)

    assert (prosper.name, prosper.description, prosper.paraphrases) == ("prosper", PROSPER.means, PROSPER.say)
    assert stop.description == knowledge.untaught(settings)["stop"].description
    assert stop.labels == {Modality.HAPTIC: {"crossed": taught.STRENGTH}}


def test_signs_of_a_sense_that_stays_home_are_not_told(settings: Settings) -> None:
    shy = Settings(spool=settings.spool, egress={Modality.GESTURE: Egress.NONE})

    assert [lesson.name for lesson in learning.lessons(shy)] == ["stop"]


async def test_a_device_greets_the_cloud_with_what_it_was_taught(settings: Settings) -> None:
    async with FakeCloud() as cloud:
        told = Settings(spool=settings.spool, cloud=Cloud(target=cloud.target))
        ear = Linked()
        link = CloudLink.of(told, ear, live=True)
        assert link is not None
        async with link, asyncio.timeout(10):
            await ear.linked.wait()

    assert cloud.hellos[0].taught == learning.lessons(settings)


async def test_what_is_taught_later_is_told_in_a_new_greeting(settings: Settings) -> None:
    async with FakeCloud() as cloud:
        ear = Linked()
        link = CloudLink.of(Settings(spool=settings.spool, cloud=Cloud(target=cloud.target)), ear, live=True)
        assert link is not None
        async with link, asyncio.timeout(10):
            await ear.linked.wait()
            taught.write(settings.taught_file, BOARD.without("vulcan").export())
            ear.linked.clear()
            link.learn()
            await ear.linked.wait()
            ear.linked.clear()
            await ear.linked.wait()

    assert [[lesson.name for lesson in hello.taught] for hello in cloud.hellos] == [["prosper", "stop"], ["stop"]]


def test_words_and_movements_are_told_like_other_signs(settings: Settings) -> None:
    word = Sign("sesame", Modality.AUDIO, "open", ((0.5,) * SOUND,), wake=True)
    zed = Sign("zed", Modality.GESTURE, "sleep", ((0.5,) * WAY,), Form.MOVED)
    board = BOARD.with_sign(word).with_sign(zed)
    taught.write(settings.taught_file, board.export())

    told = {lesson.name: lesson.labels for lesson in learning.lessons(settings)}

    assert told["open"] == {Modality.AUDIO: {"sesame": taught.STRENGTH}}
    assert told["sleep"] == {Modality.GESTURE: {"zed": taught.STRENGTH}}
    assert taught.read(settings.taught_file) == board
    assert (board.waking(), set(board.sounds()), set(board.hands())) == ({"sesame"}, {"sesame"}, {"vulcan"})
    assert board.movements()["zed"].shape == (1, 32, 2)


def test_a_hands_pose_does_not_become_a_movement() -> None:
    moved = Sign("vulcan", Modality.GESTURE, "prosper", ((0.5,) * WAY,), Form.MOVED)

    with pytest.raises(TaughtError, match="vulcan: it was taught as a hand held; forget it first"):
        BOARD.with_sign(moved)


# --- the file ----------------------------------------------------------------------------


def test_what_is_read_is_what_was_written(settings: Settings) -> None:
    assert taught.read(settings.taught_file) == BOARD
    assert taught.read(settings.taught_file.with_name("none.json")) == Taught()


def test_examples_of_one_name_add_up_and_the_newest_stay() -> None:
    newer = tuple((float(n),) * HAND for n in range(MOST_EXAMPLES))

    sign = BOARD.with_sign(Sign("vulcan", Modality.GESTURE, "prosper", newer)).sign(Modality.GESTURE, "vulcan")

    assert sign is not None
    assert sign.examples == newer


def test_a_forgotten_sign_takes_its_concept_with_it() -> None:
    forgotten = BOARD.without("vulcan")

    assert forgotten.signs == (CROSSED,)
    assert "prosper" not in forgotten.concepts
    assert BOARD.without("crossed", Modality.GESTURE) == BOARD


def test_more_than_the_cloud_takes_is_refused_when_it_is_taught() -> None:
    full = Taught()
    for n in range(64):
        full = full.with_sign(Sign(f"s{n}", Modality.GESTURE, f"c{n}", HANDS))

    with pytest.raises(TaughtError, match="65 concepts are too many, at most 64; forget one"):
        full.with_sign(VULCAN)


@pytest.mark.parametrize(
    "data",
    [
        b"no",
        b'{"version": 2}',
        b'{"version": 1, "signs": [{"name": "B", "modality": "gesture", "concept": "b"}]}',
        b'{"version": 1, "signs": [{"name": "b", "modality": "gesture", "concept": "b", "examples": [[1.0]]}]}',
        b'{"version": 1, "signs": [{"name": "b", "modality": "gesture", "concept": "b"}]}',
    ],
)
def test_a_damaged_file_is_refused_in_one_line(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "taught.json").write_bytes(data)

    with pytest.raises(TaughtError) as refused:
        taught.read(tmp_path / "taught.json")

    assert str(refused.value).startswith(f"{tmp_path}/taught.json: ")
    assert "\n" not in str(refused.value)
