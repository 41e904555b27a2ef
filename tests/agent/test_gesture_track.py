"""Hands from picture to picture, with models that see what the story says."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from sensorium_agent.infer.gesture.landmark import Hand
from sensorium_agent.infer.gesture.palm import Palm
from sensorium_agent.infer.gesture.region import Region
from sensorium_agent.infer.gesture.track import HandTracker

PICTURE = np.zeros((480, 640, 3), np.uint8)
FRAME_NS = 33_000_000
SHAPE = np.array([[0, 60, 0], *([x, y, 0] for x in (-40, -20, 0, 20, 40) for y in (30, 0, -20, -40))], np.float32)


@dataclass
class Scene:
    """Hands at places of the picture, and how sure a look at one is."""

    hands: list[tuple[float, float]] = field(default_factory=list)
    presence: float = 0.99
    restless: float = 0.0
    score: float = 0.9
    searches: int = 0
    looks: int = 0
    small: set[tuple[float, float]] = field(default_factory=set)

    def find(self, picture: np.ndarray, view: Region, *, least: float = 0.5) -> list[Palm]:
        self.searches += 1
        if self.score < least:
            return []
        within = [hand for hand in self.hands if abs(hand[0] - view.center_x) < view.side / 2]
        return [self._palm(x, y) for x, y in within if (x, y) not in self.small or view.side < 480]

    def look(self, picture: np.ndarray, crop: Region, *, quick: bool = False) -> Hand:
        self.looks += 1
        near = [hand for hand in self.hands if np.hypot(hand[0] - crop.center_x, hand[1] - crop.center_y) < 80]
        x, y = near[0] if near else (crop.center_x, crop.center_y)
        place = np.array([x + self.restless * (self.looks % 2), y, 0], np.float32)
        return Hand(SHAPE + place, self.presence if near else 0.02, 0.9, PICTURE)

    def picture(self) -> np.ndarray:
        """The hands as bright squares."""
        picture = PICTURE.copy()
        for x, y in self.hands:
            picture[int(y) - 40 : int(y) + 40, int(x) - 40 : int(x) + 40] = 200
        return picture

    def _palm(self, x: float, y: float) -> Palm:
        points = np.full((7, 2), (x, y), np.float32)
        points[0], points[2] = (x, y + 40), (x, y)
        return Palm(self.score, np.array([x - 30, y, x + 30, y + 60], np.float32), points)


def a_tracker(scene: Scene) -> HandTracker:
    return HandTracker(scene, scene)  # type: ignore[arg-type]


def test_a_hand_is_found_in_the_first_picture() -> None:
    scene = Scene([(300, 200)])

    (track,) = a_tracker(scene).follow(PICTURE, 0)

    np.testing.assert_allclose(track.hand.joints[0], [300, 260, 0])


def test_a_faint_palm_in_a_first_picture_is_a_hand_if_there_is_no_doubt() -> None:
    assert len(a_tracker(Scene([(300, 200)], score=0.3, presence=0.98)).follow(PICTURE, 0)) == 1
    assert not a_tracker(Scene([(300, 200)], score=0.3, presence=0.95)).follow(PICTURE, 0)
    assert not a_tracker(Scene([(300, 200)], score=0.1, presence=0.99)).follow(PICTURE, 0)


def test_a_faint_palm_later_is_no_hand() -> None:
    scene = Scene(score=0.3)
    tracker = a_tracker(scene)
    tracker.follow(PICTURE, 0)

    scene.hands = [(300, 200)]

    assert not any(tracker.follow(scene.picture(), n * FRAME_NS) for n in range(1, 30))


def test_a_followed_hand_keeps_its_number_and_needs_no_detector() -> None:
    scene = Scene([(300, 200)])
    tracker = a_tracker(scene)
    (first,) = tracker.follow(PICTURE, 0)
    searches = scene.searches

    scene.hands = [(310, 205)]
    (second,) = tracker.follow(PICTURE, FRAME_NS)

    assert second.number == first.number
    assert scene.searches == searches


def test_two_hands_are_enough() -> None:
    scene = Scene([(100, 200), (320, 200), (540, 200)])
    tracker = a_tracker(scene)

    assert len(tracker.follow(PICTURE, 0)) == 2
    searches = scene.searches
    tracker.follow(PICTURE, 10 * FRAME_NS)
    assert scene.searches == searches


def test_a_second_hand_joins_within_a_fifth_of_a_second() -> None:
    scene = Scene([(100, 200)])
    tracker = a_tracker(scene)
    tracker.follow(scene.picture(), 0)
    scene.hands.append((500, 200))

    counts = [len(tracker.follow(scene.picture(), n * FRAME_NS)) for n in range(1, 8)]

    assert counts == [1, 1, 1, 1, 1, 1, 2]


def test_a_second_hand_too_small_for_a_look_at_the_whole_picture_joins_too() -> None:
    scene = Scene([(100, 200)])
    tracker = a_tracker(scene)
    tracker.follow(scene.picture(), 0)
    scene.hands.append((500, 200))
    scene.small = {(500, 200)}

    counts = [len(tracker.follow(scene.picture(), n * FRAME_NS)) for n in range(1, 400)]

    assert counts[-1] == 2


def test_while_nothing_changes_around_a_hand_it_is_searched_for_another_every_four_seconds() -> None:
    scene = Scene([(100, 200)])
    tracker = a_tracker(scene)
    tracker.follow(scene.picture(), 0)
    searches = scene.searches

    for n in range(1, 270):
        scene.hands = [(100 + n % 5, 200)]
        tracker.follow(scene.picture(), n * FRAME_NS)

    assert scene.searches == searches + 2


def test_while_all_moves_around_a_hand_it_is_searched_for_another_ever_more_seldom() -> None:
    scene = Scene([(100, 200)])
    tracker = a_tracker(scene)
    tracker.follow(scene.picture(), 0)
    searches = scene.searches

    rng = np.random.default_rng(0)
    for n in range(1, 150):
        squares = rng.integers(0, 255, (12, 16, 3), np.uint8)
        tracker.follow(squares.repeat(40, axis=0).repeat(40, axis=1), n * FRAME_NS)

    assert 3 <= scene.searches - searches <= 4


def test_an_empty_scene_is_watched_five_times_a_second() -> None:
    scene = Scene()
    tracker = a_tracker(scene)
    for n in range(31):
        tracker.follow(PICTURE, n * FRAME_NS)
    searches = scene.searches

    for n in range(31, 61):
        tracker.follow(PICTURE, n * FRAME_NS)

    assert 4 <= scene.searches - searches <= 5


def test_a_hand_that_comes_into_an_empty_scene_is_found_within_two_pictures() -> None:
    scene = Scene()
    tracker = a_tracker(scene)
    for n in range(60):
        tracker.follow(PICTURE, n * FRAME_NS)

    scene.hands = [(320, 240)]

    assert any(tracker.follow(scene.picture(), n * FRAME_NS) for n in (60, 61, 62, 63))


def test_a_hand_found_again_keeps_its_number() -> None:
    scene = Scene([(300, 200)])
    tracker = a_tracker(scene)
    (before,) = tracker.follow(PICTURE, 0)
    scene.hands = []
    assert not tracker.follow(PICTURE, FRAME_NS)

    scene.hands = [(340, 210)]
    (after,) = tracker.follow(PICTURE, 4 * FRAME_NS)

    assert after.number == before.number


def test_a_fast_hand_is_looked_for_where_it_goes() -> None:
    scene = Scene([(100, 200)])
    tracker = a_tracker(scene)
    tracker.follow(PICTURE, 0)
    searches = scene.searches

    for n in range(1, 12):
        scene.hands = [(100 + 4 * n * n, 200)]  # soon faster than a look is wide
        tracks = tracker.follow(PICTURE, n * FRAME_NS)

    assert [track.number for track in tracks] == [0]
    assert scene.searches == searches


def test_hands_that_pass_each_other_keep_their_numbers() -> None:
    scene = Scene([(100, 150), (540, 260)])
    tracker = a_tracker(scene)
    numbers = {round(track.crop.center_x) < 320: track.number for track in tracker.follow(PICTURE, 0)}

    for n in range(1, 23):
        scene.hands = [(100 + 20 * n, 150), (540 - 20 * n, 260)]
        tracks = tracker.follow(PICTURE, n * FRAME_NS)

    assert {round(track.crop.center_x) > 320: track.number for track in tracks} == numbers


def test_a_lost_hand_is_searched_for_with_one_look_a_picture() -> None:
    scene = Scene([(300, 200)])
    tracker = a_tracker(scene)
    tracker.follow(PICTURE, 0)
    scene.hands = []
    searches = scene.searches

    assert not tracker.follow(PICTURE, FRAME_NS)
    assert not tracker.follow(PICTURE, 2 * FRAME_NS)
    assert scene.searches == searches + 2


def test_a_picture_without_hands_is_searched_everywhere_once() -> None:
    scene = Scene()

    assert not a_tracker(scene).follow(PICTURE, 0)
    assert scene.searches > 3


def test_what_only_once_looks_like_a_hand_is_none() -> None:
    assert not a_tracker(Scene([(300, 200)], presence=0.85)).follow(PICTURE, 0)


def test_what_looks_different_from_its_own_crop_is_none() -> None:
    assert not a_tracker(Scene([(300, 200)], restless=40)).follow(PICTURE, 0)


def test_a_hand_once_found_may_be_seen_less_surely() -> None:
    scene = Scene([(300, 200)])
    tracker = a_tracker(scene)
    tracker.follow(PICTURE, 0)
    scene.presence = 0.6

    assert tracker.follow(PICTURE, FRAME_NS)


def test_after_a_long_gap_everything_is_searched_again() -> None:
    scene = Scene([(300, 200)])
    tracker = a_tracker(scene)
    (before,) = tracker.follow(PICTURE, 0)

    (after,) = tracker.follow(PICTURE, 5_000_000_000)

    assert after.number != before.number


def test_two_tracks_never_stay_on_one_hand() -> None:
    scene = Scene([(200, 200), (420, 200)])
    tracker = a_tracker(scene)
    tracker.follow(PICTURE, 0)

    scene.hands = [(300, 200)]
    for n in range(1, 4):
        tracks = tracker.follow(PICTURE, n * FRAME_NS)

    assert len(tracks) <= 1
