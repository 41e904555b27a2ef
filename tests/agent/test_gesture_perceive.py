"""Gestures in real photos, by the real models; and in streams, by models that say what the story wants."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import pytest

from sensorium.event import Event, EventStream, Frame, Modality, Sample
from sensorium_agent.infer.gesture.classify import LABELS
from sensorium_agent.infer.gesture.perceive import GesturePerceiver
from sensorium_agent.infer.runtime.model import load
from sensorium_models import media, store

FRAME_NS = 33_000_000


def photo(name: str) -> np.ndarray:
    return np.ascontiguousarray(cv2.imread(str(media.path(f"opencv-doc/{name}")))[:, :, ::-1])


def sample(picture: np.ndarray, at_ns: int = 0) -> Sample:
    return Sample(Modality.VIDEO, "camera", at_ns // FRAME_NS, at_ns, Frame(picture))


class Saying:
    """A classifier that says the next of its labels each time, and the last for ever."""

    def __init__(self, labels: Sequence[str | None]) -> None:
        self._labels = list(labels)

    def run(self, *inputs: np.ndarray) -> list[np.ndarray]:
        label = self._labels.pop(0) if len(self._labels) > 1 else self._labels[0]
        chances = np.zeros((1, len(LABELS) + 1), np.float32)
        chances[0, LABELS.index(label) if label else -1] = 1
        return [chances]

    def reset(self) -> None: ...


Perceiving = Callable[..., GesturePerceiver]


@pytest.fixture(scope="module")
def perceiving() -> Perceiving:
    palm, landmark = load(store.path("palm_detection")), load(store.path("hand_landmark"))
    real = load(store.path("gesture_classifier"))

    def new(*labels: str | None) -> GesturePerceiver:
        stream = EventStream("s1", Modality.GESTURE)
        return GesturePerceiver(stream, palm=palm, landmark=landmark, classifier=Saying(labels) if labels else real)

    return new


pytestmark = [pytest.mark.needs_models, pytest.mark.needs_media]


@pytest.mark.parametrize("name", ["handSrc.jpg", "handDst.jpg", "Histogram_Comparison_Source_0.jpg"])
def test_an_open_hand_is_an_open_palm_at_once(name: str, perceiving: Perceiving) -> None:
    (event,) = perceiving().perceive(sample(photo(name)))

    assert event.label == "open_palm"
    assert event.score > 0.65


@pytest.mark.parametrize(("mirror", "side"), [(False, "left"), (True, "right")])
def test_it_tells_a_left_hand_from_a_right(mirror: bool, side: str, perceiving: Perceiving) -> None:
    picture = photo("Histogram_Comparison_Source_0.jpg")

    (event,) = perceiving().perceive(sample(np.ascontiguousarray(picture[:, ::-1]) if mirror else picture))

    assert event.metadata["handedness"] == side


def test_a_hand_that_holds_something_is_there_without_a_label(perceiving: Perceiving) -> None:
    (event,) = perceiving().perceive(sample(photo("right04.jpg")))

    assert (event.label, event.score) == (None, 0.0)


@pytest.mark.parametrize(
    "name", ["apple.jpg", "baboon.jpg", "building.jpg", "butterfly.jpg", "fruits.jpg", "home.jpg", "squirrel_cls.jpg"]
)
def test_where_there_is_no_hand_there_is_no_event(name: str, perceiving: Perceiving) -> None:
    assert not perceiving().perceive(sample(photo(name)))


def test_an_event_says_where_the_hand_is_and_how_it_is_held(perceiving: Perceiving) -> None:
    (event,) = perceiving().perceive(sample(photo("handSrc.jpg"), 5 * FRAME_NS))

    assert event.at_ns == 5 * FRAME_NS
    assert 0.5 < event.quality <= 1
    assert event.metadata["hand"] == "0"
    left, top, width, height = map(float, event.metadata["box"].split())
    assert 0 <= left < left + width <= 1.02
    assert 0 <= top < top + height <= 1.02
    assert event.features is not None
    assert event.features.shape == (128,)
    one, other = event.features.array().reshape(2, 64)
    assert one.any()
    assert not other.any()


def test_two_hands_fill_both_halves_of_the_features(perceiving: Perceiving) -> None:
    picture = photo("handSrc.jpg")

    (event,) = perceiving().perceive(sample(np.hstack([picture, picture[:, ::-1]])))

    assert event.metadata["hands"] == "2"
    assert event.features is not None
    assert event.features.array().reshape(2, 64).any(axis=1).all()


def test_a_second_hand_is_named_beside_the_surest(perceiving: Perceiving) -> None:
    picture = photo("handSrc.jpg")

    (both,) = perceiving().perceive(sample(np.hstack([picture, picture[:, ::-1]])))
    (alone,) = perceiving().perceive(sample(picture))

    assert (both.label, both.metadata["other"]) == ("open_palm", "open_palm")
    assert "other" not in alone.metadata


def labels(perceiver: GesturePerceiver, count: int, every_ns: int = FRAME_NS) -> list[str | None]:
    picture = photo("handSrc.jpg")
    events: list[Event] = []
    for number in range(count):
        events += perceiver.perceive(sample(picture, number * every_ns))
    return [event.label for event in events]


def test_a_slip_of_one_picture_does_not_change_the_gesture(perceiving: Perceiving) -> None:
    said = labels(perceiving("fist", "fist", "fist", "victory", "fist", "fist"), 6)

    assert "victory" not in said
    assert said[-1] == "fist"


def test_a_new_gesture_is_believed_within_a_tenth_of_a_second(perceiving: Perceiving) -> None:
    said = labels(perceiving("fist", "fist", "fist", "victory"), 6)

    assert said[:3] == ["fist"] * 3
    assert said[3 + 2] == "victory"


def test_at_five_pictures_a_second_each_speaks_for_itself(perceiving: Perceiving) -> None:
    said = labels(perceiving("fist", "victory", None), 3, every_ns=200_000_000)

    assert said == ["fist", "victory", None]


def crossing(to_px: float, rate_hz: int = 20) -> list[Sample]:
    """A hand at rest, then ``to_px`` aside within 0.4 s, then at rest."""
    still = cv2.resize(photo("handSrc.jpg"), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    pictures = []
    for n in range(2 * rate_hz):
        part = min(max((n / rate_hz - 0.6) / 0.4, 0.0), 1.0)
        matrix = np.float32([[1, 0, 320 - still.shape[1] / 2 + to_px * (part - 0.5)], [0, 1, 60]])
        pictures.append(cv2.warpAffine(still, matrix, (640, 480), borderMode=cv2.BORDER_REPLICATE))
    return [sample(picture, n * 1_000_000_000 // rate_hz) for n, picture in enumerate(pictures)]


@pytest.mark.parametrize(("to_px", "label"), [(300, "swipe_left"), (-300, "swipe_right")])
def test_a_hand_that_crosses_the_picture_swipes_once(to_px: float, label: str, perceiving: Perceiving) -> None:
    perceiver, events = perceiving("open_palm"), []
    for seen in crossing(to_px):
        events += perceiver.perceive(seen)
    events += perceiver.finish(2_000_000_000)

    (swipe,) = [event for event in events if event.label != "open_palm"]
    assert swipe.label == label
    assert swipe.at_ns == pytest.approx(1.0e9, abs=0.15e9)
    assert swipe.span_ns == pytest.approx(0.4e9, abs=0.15e9)
    assert swipe.metadata["hand"] == "0"
    assert swipe.features is not None
    assert swipe.features.shape == (128,)


def test_nothing_is_pending_at_the_end(perceiving: Perceiving) -> None:
    assert not perceiving().finish(0)


def test_a_hand_on_its_way_is_marked_and_one_at_rest_is_not(perceiving: Perceiving) -> None:
    perceiver, moving = perceiving("open_palm"), {}
    for seen in crossing(300):
        for event in perceiver.perceive(seen):
            if event.label == "open_palm":
                moving[event.at_ns] = "moving" in event.metadata

    assert not any(on_its_way for at_ns, on_its_way in moving.items() if not 0.5e9 < at_ns < 1.4e9)
    assert all(on_its_way for at_ns, on_its_way in moving.items() if 0.75e9 < at_ns < 0.95e9)
