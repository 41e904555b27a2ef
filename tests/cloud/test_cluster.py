"""Work done by replicas elsewhere: the same answers, nothing lost when one ends, one line when all of it is gone."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import grpc
import numpy as np
import pytest
from cloud.doubles import Client, a_symbol, a_window, an_event, words
from cloud.ray_service import CONCEPTS, Service, gone, ray_service

from sensorium import concepts
from sensorium.clock import ManualClock
from sensorium.concepts import Concept, extended
from sensorium.delivery import Refusal, SequencedSymbol
from sensorium.event import Event, Media, Modality, Tensor
from sensorium.symbol import Symbol
from sensorium.window import Window
from sensorium_cloud._app.settings import Engine, Fusion, Settings
from sensorium_cloud._app.work import load_engines
from sensorium_cloud.batch import Overloaded
from sensorium_cloud.cluster import front
from sensorium_cloud.cluster.front import Deployment, NobodyAnswers, ReplicaEnded
from sensorium_cloud.cluster.node import ClusterAway, Head, ends_with
from sensorium_cloud.cluster.parcel import heard, packed, told, unpacked
from sensorium_cloud.encode.encoders import EncodedWindow


def a_picture(seed: int = 0) -> Event:
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3)).astype(np.uint8)
    ok, data = cv2.imencode(".jpg", cv2.resize(coarse, (64, 48)))
    assert ok
    return an_event(None, modality=Modality.VIDEO, media=Media("image/jpeg", bytes(data.tobytes())))


def a_hand(index: int = 0, session: str = "kitchen") -> Event:
    vector = np.random.default_rng(index).standard_normal(128).astype(np.float32)
    return an_event("thumb_up", session=session, features=Tensor.of(vector), at_ns=1000 * index)


def encoded(window: Window) -> EncodedWindow:
    return EncodedWindow(window, None, None, 0.0)


# --- what crosses ----------------------------------------------------------------------


def test_a_batch_crosses_as_it_was_but_for_its_media() -> None:
    rng = np.random.default_rng(0)
    taught = extended(concepts.load(), [Concept("tea", "Make tea.", ("tea please",))])
    batch = [
        encoded(a_window(0, a_hand())),
        EncodedWindow(
            a_window(1, words("a"), words("b"), a_picture()),
            rng.standard_normal((2, 384)).astype(np.float32),
            rng.standard_normal((1, 1280)).astype(np.float32),
            3.5,
            (0, 1),
            (0,),
            taught,
        ),
    ]

    here = unpacked(packed(batch))

    assert here[0] == batch[0] or here[0].window == batch[0].window
    assert [event.media for event in here[1].window.slot(Modality.VIDEO).events] == [None]
    assert here[1].window.slot(Modality.TEXT) == batch[1].window.slot(Modality.TEXT)
    assert np.array_equal(here[1].text, batch[1].text)
    assert np.array_equal(here[1].frames, batch[1].frames)
    assert (here[1].text_events, here[1].frame_events, here[1].encode_ms) == ((0, 1), (0,), 3.5)
    assert [e.vocabulary for e in here] == [None, taught]


def test_a_batch_without_any_vector_crosses_too() -> None:
    (here,) = unpacked(packed([encoded(a_window(0))]))

    assert (here.text, here.frames, here.text_events) == (None, None, ())


def test_symbols_come_back_as_they_were_made() -> None:
    symbols = [a_symbol(a_window(0)), a_symbol(a_window(1, a_hand()))]

    assert heard(told(symbols)) == symbols


# --- asking ----------------------------------------------------------------------------


class Replicas:
    """Answers what it was told to, or fails so, one after the other."""

    def __init__(self, *outcomes: object) -> None:
        self.asked: list[object] = []
        self._outcomes = list(outcomes)

    def __call__(self, payload: object, within_s: float) -> object:
        assert within_s > 0
        self.asked.append(payload)
        outcome = self._outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def deployed(self) -> Deployment:
        return Deployment("fusion", self, patience_s=2.0)


def test_what_a_replica_had_in_hand_when_it_ended_is_given_once_to_another() -> None:
    replicas = Replicas(ReplicaEnded("killed"), told([a_symbol(a_window(0))]))

    assert front.fuse(replicas.deployed(), [encoded(a_window(0))]) == [a_symbol(a_window(0))]
    assert len(replicas.asked) == 2


@pytest.mark.parametrize(
    "outcomes",
    [(ReplicaEnded("killed"), ReplicaEnded("killed")), (NobodyAnswers("Ray is away"),)],
)
def test_where_nobody_can_do_it_devices_are_asked_to_come_later(outcomes: tuple[Exception, ...]) -> None:
    replicas = Replicas(*outcomes)
    deployed = replicas.deployed()

    with pytest.raises(Overloaded) as refused:
        front.fuse(deployed, [encoded(a_window(0)), encoded(a_window(1))])

    assert refused.value.retry_after_ms == 1000
    assert len(replicas.asked) == len(outcomes)
    assert deployed.undone.windows == 2


def test_a_batch_asks_for_each_sentence_once_and_gives_each_window_its_own() -> None:
    rows = np.eye(2, 384, dtype=np.float32)
    replicas = Replicas(rows)
    batch = [encoded(a_window(0, words("yes"))), encoded(a_window(1, words("no"), words("yes")))]

    one, two = front.add_words(replicas.deployed(), batch, limit=16)

    assert replicas.asked == [["yes", "no"]]
    assert np.array_equal(one.text, rows[:1])
    assert np.array_equal(two.text, rows[::-1])
    assert two.text_events == (0, 1)


def test_a_picture_that_cannot_be_decoded_leaves_its_window_as_it_was() -> None:
    rows = np.ones((1, 1280), np.float32)
    deployed = Replicas((rows, [1])).deployed()

    one, two = front.add_pictures(
        deployed, [encoded(a_window(0, a_picture(1))), encoded(a_window(1, a_picture(2)))], limit=4
    )

    assert (one.frames, one.frame_events) == (None, ())
    assert (two.frames is not None, two.frame_events) == (True, (0,))
    assert (deployed.undone.pictures, deployed.undone.windows) == (1, 0)


def test_a_cluster_of_our_own_that_breaks_down_ends_the_service_with_one_line() -> None:
    told = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda *_: told.set())
    try:
        with (
            pytest.raises(ClusterAway, match=r"broke down \(raylet\); start the service again"),
            ends_with(lambda: [("raylet", object())], "the Ray cluster of this service broke down ({})", every_s=0.01),
        ):
            assert told.wait(10)
    finally:
        signal.signal(signal.SIGTERM, before)


def test_the_head_of_a_cluster_may_be_away_for_a_while(caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    there = {0: "ours", 10: "", 54: "", 55: "ours", 60: "", 104: "", 105: ""}
    head = Head(lambda: there[clock.at_ns // 1_000_000_000], lambda: clock.at_ns * 1e-9)
    dead = []
    for second in there:
        clock.at_ns = second * 1_000_000_000
        dead.append(bool(head.dead()))

    assert dead == [False] * 6 + [True]
    assert [message.partition(":")[0] for message in caplog.messages] == [
        "ray.head_away",
        "ray.head_back away_s=45",
        "ray.head_away",
    ]


def test_a_cluster_that_begins_anew_in_the_place_of_ours_is_another() -> None:
    names = iter(["ours", "ours", "", "theirs"])
    head = Head(lambda: next(names))

    assert [list(head.dead()) for _ in range(3)] == [[], [], [("another began in its place",)]]


def test_a_cluster_that_did_not_say_its_name_when_it_was_joined_is_no_other_when_it_does() -> None:
    names = iter(["", "ours", "ours", "theirs"])
    head = Head(lambda: next(names))

    assert [bool(head.dead()) for _ in range(3)] == [False, False, True]


@pytest.mark.parametrize(("address", "reason"), [("127.0.0.1:1", "nobody answers"), ("here", "not HOST:PORT")])
def test_a_cluster_that_is_not_there_is_told_at_once(address: str, reason: str) -> None:
    command = [sys.executable, "-m", "sensorium_cloud", "serve", "--engine", "ray", "--ray-address", address]

    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1].startswith(f"sensorium-cloud: ray.address {address}: {reason}")


def test_nothing_imports_ray_unless_it_is_asked_for() -> None:
    script = "import sys, sensorium_cloud._app.server, sensorium_cloud._app.workers, sensorium_cloud._app.engines\n"
    script += "print([m for m in sys.modules if m.partition('.')[0] == 'ray'])"

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


# --- with Ray --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    # Not in pytest's folder: the paths of sockets may not be long.
    with (
        TemporaryDirectory(prefix="ray") as folder,
        ray_service(Path(folder), min_replicas=1, max_replicas=1) as service,
    ):
        yield service


async def asked(
    address: str, windows: list[Window], name: str = "pi", begun: asyncio.Event | None = None
) -> list[Symbol]:
    """The answer to each window, asked for again when told to come later; ``begun`` is set by the first."""
    answers: dict[int, Symbol] = {}
    later: dict[int, int] = {}
    async with asyncio.timeout(60), grpc.aio.insecure_channel(address) as channel:
        device = Client(address, channel).device()
        await device.greet(device=name)
        for number, window in enumerate(windows):
            await device.send(window, first=1 + number)
        while len(answers) < len(windows):
            answer = await device.hear()
            if begun is not None:
                begun.set()
            if isinstance(answer, SequencedSymbol):
                answers[answer.sequence] = answer.symbol
            elif isinstance(answer, Refusal):
                assert answer.retry_after_ms
                later[answer.sequence] = answer.retry_after_ms
            if later and len(answers) + len(later) == len(windows):
                await asyncio.sleep(max(later.values()) / 1000)  # as a device does
                for number in later:
                    await device.send(windows[number - 1], first=number)
                later.clear()
    return [answers[number] for number in sorted(answers)]


@pytest.mark.needs_models
async def test_the_same_windows_get_the_same_symbols_as_in_one_process(service: Service) -> None:
    windows = [
        a_window(0, a_hand()),
        a_window(1, words("yes please"), a_hand(1)),
        a_window(2, a_picture(3), an_event("speech", modality=Modality.AUDIO)),
        a_window(3, words("stop the music"), a_picture(4)),
    ]
    settings = Settings(device_name="here", engine=Engine(provider="cpu"), fusion=Fusion(vocabulary=str(CONCEPTS)))
    engines = load_engines(settings)
    expected = engines.fuse(engines.add_words(engines.add_pictures([encoded(window) for window in windows])))

    found = await asked(service.address, windows)

    for ours, theirs in zip(expected, found, strict=True):
        assert replace(theirs, confidence=0, alternatives=(), shares=(), entropy=ours.entropy, latency=()) == replace(
            ours, confidence=0, alternatives=(), shares=(), entropy=ours.entropy, latency=()
        )
        assert theirs.confidence == pytest.approx(ours.confidence, abs=1e-5)
        assert [h.concept for h in theirs.alternatives] == [h.concept for h in ours.alternatives]
        assert [s.contribution for s in theirs.shares] == pytest.approx([s.contribution for s in ours.shares], abs=1e-4)


@pytest.mark.needs_models
def test_nobody_but_this_machine_can_reach_any_part_of_it(service: Service) -> None:
    assert len(service.family()) > 5
    assert service.listens() <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}


@pytest.mark.needs_models
async def test_a_replica_that_is_killed_under_load_loses_nothing_and_nothing_is_answered_twice(
    service: Service,
) -> None:
    windows = {
        f"pi-{n}": [a_window(i, a_hand(i, f"room-{n}"), session=f"room-{n}") for i in range(60)] for n in range(4)
    }
    begun = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        asking = {name: group.create_task(asked(service.address, own, name, begun)) for name, own in windows.items()}
        await begun.wait()
        os.kill(service.one("ServeReplica:sensorium:fusion"), signal.SIGKILL)
    with contextlib.closing(sqlite3.connect(service.folder / "sensorium-cloud.sqlite3")) as db:
        rows = db.execute("SELECT count(*), count(DISTINCT content) FROM answers WHERE device LIKE 'pi-%'").fetchone()

    assert {name: [s.id for s in task.result()] for name, task in asking.items()} == {
        name: [window.id for window in own] for name, own in windows.items()
    }
    assert rows == (240, 240)


@pytest.mark.needs_models
def test_it_stops_cleanly_and_nothing_of_it_stays(service: Service) -> None:
    family = service.family()

    service.process.terminate()

    assert service.process.wait(30) == 0
    assert gone(family) == {}
    assert list(service.folder.glob("sensorium-ray-*")) == []
    assert "Traceback" not in (service.folder / "log").read_text()
