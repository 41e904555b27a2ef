"""Hands from picture to picture: detect once, then follow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from sensorium_agent.infer.gesture.landmark import Hand, LandmarkModel
from sensorium_agent.infer.gesture.palm import Palm, PalmDetector, views
from sensorium_agent.infer.gesture.region import Picture, Region

_FORGET_NS: Final = 1_000_000_000  # after so long a gap the hands are anywhere
_SEARCH_EVERY_NS: Final = 200_000_000  # for a second hand, while one is followed

# Paws, tongues and folds of cloth pass one look at 0.9, and fail another or look different then.
_WORTH_A_LOOK: Final = 0.3
_SURE: Final = 0.9  # mean presence of two looks
_STILL_THERE: Final = 0.5
_SAME_PLACE: Final = 0.06  # mean move of the joints from look to look, in sides of the crop


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """A hand that keeps its ``number`` while it is followed; ``crop`` is where it will be looked for next."""

    number: int
    hand: Hand
    crop: Region


class HandTracker:
    """Follows up to ``most`` hands; the palm detector runs only while one is missing."""

    def __init__(self, palms: PalmDetector, landmarks: LandmarkModel, *, most: int = 2) -> None:
        self._palms = palms
        self._landmarks = landmarks
        self._most = most
        self._tracks: list[Track] = []
        self._seen_ns: int | None = None
        self._searched_ns = 0
        self._searches = 0
        self._next_number = 0

    def follow(self, picture: Picture, at_ns: int) -> Sequence[Track]:
        """The hands in ``picture``, those followed longest first."""
        first = self._seen_ns is None or not 0 <= at_ns - self._seen_ns <= _FORGET_NS
        self._seen_ns = at_ns
        self._tracks = [] if first else self._still_there(picture)
        for view in self._views(picture, at_ns, first=first):
            if self._tracks and view != Region.around(picture):
                break
            self._search(picture, view)
        return tuple(self._tracks)

    def _still_there(self, picture: Picture) -> list[Track]:
        """Last time's hands where they went; of two that have become the same hand, the older."""
        kept: list[Track] = []
        for track in self._tracks:
            hand = self._landmarks.look(picture, track.crop, quick=True)
            crop = hand.next_crop()
            if hand.presence >= _STILL_THERE and not _taken(crop, kept):
                kept.append(Track(track.number, hand, crop))
        return kept

    def _views(self, picture: Picture, at_ns: int, *, first: bool) -> Iterator[Region]:
        """Where to search now: everywhere in a first picture, then one square a picture, the whole every other time."""
        if len(self._tracks) == self._most:
            return
        if first:
            yield from views(picture)
        elif not self._tracks:
            squares = views(picture)
            self._searches += 1
            yield squares[0 if self._searches % 2 else 1 + self._searches // 2 % (len(squares) - 1)]
        elif at_ns - self._searched_ns >= _SEARCH_EVERY_NS:
            yield Region.around(picture)
        else:
            return
        self._searched_ns = at_ns

    def _search(self, picture: Picture, view: Region) -> None:
        for palm in self._palms.find(picture, view):
            if len(self._tracks) == self._most:
                return
            hand = self._confirmed(picture, palm)
            if hand is not None:
                self._tracks.append(Track(self._next_number, hand, hand.next_crop()))
                self._next_number += 1

    def _confirmed(self, picture: Picture, palm: Palm) -> Hand | None:
        """The palm's hand, if it is none we have and looks the same from its own crop."""
        if _taken(palm.hand(), self._tracks):
            return None
        glimpse = self._landmarks.look(picture, palm.hand())
        crop = glimpse.next_crop()
        if glimpse.presence < _WORTH_A_LOOK or _taken(crop, self._tracks):
            return None
        hand = self._landmarks.look(picture, crop)
        moved = float(np.abs(hand.joints[:, :2] - glimpse.joints[:, :2]).mean()) / crop.side
        sure = (glimpse.presence + hand.presence) / 2 >= _SURE
        return hand if sure and moved <= _SAME_PLACE else None


def _taken(crop: Region, tracks: Sequence[Track]) -> bool:
    """Whether the middle of a hand's crop lies in the inner half of a followed hand's."""
    for track in tracks:
        other = track.crop
        reach = max(other.side, crop.side) / 5
        if abs(crop.center_x - other.center_x) < reach and abs(crop.center_y - other.center_y) < reach:
            return True
    return False
