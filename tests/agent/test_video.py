"""Keyframes: which pictures are worth sending."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from sensorium.event import Event, EventStream, Frame, Modality, Sample
from sensorium_agent.infer.video import Choice, KeyframePerceiver, difference, sharpness, thumbnail

Picture = npt.NDArray[np.uint8]
S = 1_000_000_000


def picture(seed: int, width: int = 640, height: int = 480) -> Picture:
    """Sharp shapes."""
    rng = np.random.default_rng(seed)
    pixels = np.full((height, width, 3), rng.integers(80, 180, 3), np.uint8)
    for _ in range(40):
        centre = (int(rng.integers(width)), int(rng.integers(height)))
        cv2.circle(pixels, centre, int(rng.integers(2, height // 5 + 2)), rng.integers(0, 255, 3).tolist(), -1)
    return pixels


def sample(at_ns: int, pixels: Picture) -> Sample:
    return Sample(Modality.VIDEO, "camera", 0, at_ns, Frame(pixels), at_error_ns=9)


def a_camera(every_s: float = 5.0) -> KeyframePerceiver:
    return KeyframePerceiver(EventStream("s", Modality.VIDEO), every_s=every_s)


def see(pictures: list[tuple[float, Picture]], camera: KeyframePerceiver | None = None) -> list[Event]:
    camera = camera or a_camera()
    return [event for at_s, p in pictures for event in camera.perceive(sample(round(at_s * S), p))]


def test_the_first_picture_is_a_small_jpeg_in_its_own_colours() -> None:
    pixels = picture(1)
    (event,) = see([(1.0, pixels)])

    assert event.media is not None
    shown = cv2.cvtColor(cv2.imdecode(np.frombuffer(event.media.data, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    assert (event.label, event.at_ns, event.at_error_ns, event.features) == (None, S, 9, None)
    assert (event.media.content_type, shown.shape) == ("image/jpeg", (168, 224, 3))
    small = cv2.resize(pixels, (224, 168), interpolation=cv2.INTER_AREA)
    assert np.abs(shown.astype(int) - small).mean() < 10


def test_a_picture_smaller_than_a_keyframe_stays_as_it_is() -> None:
    (event,) = see([(0.0, picture(1, 100, 60))])

    assert event.media is not None
    assert cv2.imdecode(np.frombuffer(event.media.data, np.uint8), cv2.IMREAD_COLOR).shape == (60, 100, 3)


def test_a_still_scene_gives_a_keyframe_now_and_then() -> None:
    events = see([(k / 10, picture(1)) for k in range(120)])

    assert [e.at_ns // S for e in events] == [0, 5, 10]


def test_a_new_scene_gives_one_at_once() -> None:
    events = see([(k / 10, picture(1 if k < 20 else 2)) for k in range(30)])

    assert [e.at_ns for e in events] == [0, 2 * S]


def test_a_lively_scene_gives_no_more_than_one_a_second() -> None:
    events = see([(k / 10, picture(k)) for k in range(50)])

    assert len(events) == 5


def test_the_cameras_own_exposure_is_no_new_scene() -> None:
    bright = np.clip(picture(1).astype(int) + 25, 0, 255).astype(np.uint8)

    assert len(see([(0.0, picture(1)), (2.0, bright)])) == 1


def test_a_covered_camera_says_so_at_once_and_sends_no_picture() -> None:
    black = np.full((480, 640, 3), 4, np.uint8)

    events = see([(0.0, picture(1)), (0.1, black), (0.2, black), (0.3, picture(1))])

    assert [e.label for e in events] == [None, "covered", None]
    assert [e.media is None for e in events] == [False, True, False]
    assert events[1].score > 0.8


def test_a_night_scene_with_a_light_in_it_is_not_covered() -> None:
    night = np.full((480, 640, 3), 4, np.uint8)
    night[100:250, 100:300] = 90

    assert [e.label for e in see([(0.0, night)])] == [None]


def test_quality_knows_blur_and_bad_exposure() -> None:
    sharp = picture(1)
    blurred = cv2.GaussianBlur(sharp, (0, 0), 12)
    washed = (sharp // 30 + 246).astype(np.uint8)

    of = [see([(0.0, p)])[0].quality for p in (sharp, blurred, washed)]

    assert of[0] > 0.95
    assert of[1] < of[0] - 0.05
    assert of[2] < of[0] - 0.1


def test_quality_does_not_ask_for_contrast() -> None:
    grey = cv2.resize(cv2.cvtColor(picture(1), cv2.COLOR_RGB2GRAY), (224, 168), interpolation=cv2.INTER_AREA)
    pale = (grey // 4 + 100).astype(np.uint8)

    assert sharpness(pale) > 0.9
    assert sharpness(np.full((168, 224), 100, np.uint8)) == 0


def test_thumbnails_of_any_size_are_alike() -> None:
    big = picture(1, 1920, 1080)
    small = cv2.resize(big, (640, 360), interpolation=cv2.INTER_AREA)

    assert thumbnail(big).shape == (18, 32)
    assert difference(thumbnail(big), thumbnail(small)) < 3
    assert thumbnail(picture(1, 16, 16)).shape == (18, 32)


def test_keyframes_are_far_below_two_percent_of_what_was_captured() -> None:
    pictures = [(k / 15, picture(k // 30)) for k in range(150)]

    sent = sum(len(e.media.data) for e in see(pictures) if e.media)

    assert sent < 0.001 * sum(p.nbytes for _, p in pictures)


def test_finish_lets_the_next_file_begin_with_a_keyframe() -> None:
    camera = a_camera()
    see([(100.0, picture(1))], camera)
    assert camera.finish(0) == ()

    assert len(see([(0.0, picture(1))], camera)) == 1


def test_the_choice_is_a_setting() -> None:
    still = [(float(k), picture(1)) for k in range(10)]
    camera = KeyframePerceiver(EventStream("s", Modality.VIDEO), choice=Choice(every_s=2.0, long_side=64))

    events = see(still, camera)

    assert len(events) == 5
    assert events[0].media is not None
    assert cv2.imdecode(np.frombuffer(events[0].media.data, np.uint8), cv2.IMREAD_COLOR).shape == (48, 64, 3)
