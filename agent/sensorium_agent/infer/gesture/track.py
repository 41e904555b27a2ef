"""Hands from picture to picture: detect once, then follow."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from sensorium_agent.infer.gesture.landmark import Hand, LandmarkModel
from sensorium_agent.infer.gesture.palm import CLEAR, Palm, PalmDetector
from sensorium_agent.infer.gesture.region import Picture, Region
from sensorium_agent.infer.gesture.search import Search
from sensorium_agent.infer.gesture.smooth import Floats, Smoothed

_FORGET_NS: Final = 1_000_000_000  # after so long a gap the hands are anywhere
_SAME_HAND_NS: Final = 700_000_000  # a hand found again so soon, about where it was, is the same
_SIDE_NS: Final = 500_000_000  # how long what was seen of a hand's side counts

# Paws, tongues and folds of cloth pass one look at 0.9, and fail another or look different then.
_WORTH_A_LOOK: Final = 0.3
_SURE: Final = 0.9  # mean presence of two looks
_STILL_THERE: Final = 0.5
_SAME_PLACE: Final = 0.06  # mean move of the joints from look to look, in sides of the crop
_LEAP: Final = 0.4  # in sides of the crop: no hand is expected further away than this

# A first picture may be a photo, that has no second chance: where nothing clear is in it, fainter palms will do, if the
# landmark model has no doubt. In 282 photos without a hand none of them came above 0.96.
_FAINT: Final = 0.2
_NO_DOUBT: Final = 0.97
_STEADY: Final = 0.04
_FAINT_LOOKS: Final = 8


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """A hand that keeps its ``number`` while it is followed.

    Attributes:
        number: counts the hands.
        hand: as it was measured in this picture.
        smoothed: its joints over time.
        right: probability of a right hand, over time.
        crop: where it is now.
    """

    number: int
    hand: Hand
    smoothed: Smoothed
    right: float
    crop: Region

    @property
    def joints(self) -> Floats:
        """Smoothed, as `Hand.joints`."""
        return self.smoothed.joints

    def expected(self, at_ns: int) -> Region:
        """Where to look for it at ``at_ns``: it goes on as it went."""
        past_s = (at_ns - self.smoothed.at_ns) / 1e9
        x, y = (float(way) for way in self.smoothed.speed[:, :2].mean(axis=0) * past_s)
        shorter = min(1.0, _LEAP * self.crop.side / max(math.hypot(x, y), 1e-6))
        return replace(self.crop, center_x=self.crop.center_x + shorter * x, center_y=self.crop.center_y + shorter * y)

    def then(self, hand: Hand, crop: Region, at_ns: int) -> Track:
        """The same hand as it is at ``at_ns``."""
        kept = math.exp((self.smoothed.at_ns - at_ns) / _SIDE_NS)
        right = kept * self.right + (1 - kept) * hand.right
        return Track(self.number, hand, self.smoothed.then(hand.joints, at_ns, crop.side / 2), right, crop)


class HandTracker:
    """Follows up to ``most`` hands; the palm detector runs only where one may be missing."""

    def __init__(self, palms: PalmDetector, landmarks: LandmarkModel, *, most: int = 2) -> None:
        self._palms = palms
        self._landmarks = landmarks
        self._most = most
        self._search = Search()
        self._tracks: list[Track] = []
        self._lost: list[Track] = []
        self._seen_ns: int | None = None
        self._next_number = 0

    def follow(self, picture: Picture, at_ns: int) -> Sequence[Track]:
        """The hands in ``picture``, those followed longest first."""
        first = self._seen_ns is None or not 0 <= at_ns - self._seen_ns <= _FORGET_NS
        self._seen_ns = at_ns
        if first:
            self._tracks, self._lost = [], []
        self._keep_on(picture, at_ns)
        least = _FAINT if first else CLEAR
        faint: list[Palm] = []
        for view in self._views(picture, at_ns, first=first):
            if first and self._tracks and view != Region.around(picture):
                break
            palms = self._palms.find(picture, view, least=least)
            self._add(picture, [palm for palm in palms if palm.score >= CLEAR], at_ns)
            faint += [palm for palm in palms if palm.score < CLEAR]
        if not self._tracks:
            self._add(picture, sorted(faint, key=lambda palm: -palm.score)[:_FAINT_LOOKS], at_ns)
        return tuple(self._tracks)

    def _keep_on(self, picture: Picture, at_ns: int) -> None:
        """Last time's hands where they went; of two that have become the same hand, the older."""
        before, self._tracks = self._tracks, []
        self._lost = [track for track in self._lost if at_ns - track.smoothed.at_ns <= _SAME_HAND_NS]
        for track in before:
            hand = self._landmarks.look(picture, track.expected(at_ns), quick=True)
            crop = hand.next_crop()
            if hand.presence >= _STILL_THERE and not _taken(crop, self._tracks):
                self._tracks.append(track.then(hand, crop, at_ns))
            else:
                self._lost.append(track)

    def _views(self, picture: Picture, at_ns: int, *, first: bool) -> Sequence[Region]:
        if first:
            return self._search.start(picture, at_ns)
        if len(self._tracks) == self._most:
            return ()
        return self._search.go_on(picture, at_ns, [track.crop for track in self._tracks])

    def _add(self, picture: Picture, palms: Sequence[Palm], at_ns: int) -> None:
        """Follow those of the palms that are hands, as long as there is room."""
        for palm in palms:
            if len(self._tracks) == self._most:
                return
            hand = self._confirmed(picture, palm)
            if hand is not None:
                self._tracks.append(self._begun(hand, at_ns))

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
        presence = (glimpse.presence + hand.presence) / 2
        surely, nearly = (_SURE, _SAME_PLACE) if palm.score >= CLEAR else (_NO_DOUBT, _STEADY)
        return hand if presence >= surely and moved <= nearly else None

    def _begun(self, hand: Hand, at_ns: int) -> Track:
        """A new track, or one that was lost a moment ago and goes on."""
        crop = hand.next_crop()
        again = _same(crop, hand.right, self._lost)
        if again is not None:
            self._lost.remove(again)
            return again.then(hand, crop, at_ns)
        self._next_number += 1
        return Track(self._next_number - 1, hand, Smoothed.start(hand.joints, at_ns), hand.right, crop)


def _taken(crop: Region, tracks: Sequence[Track]) -> bool:
    """Whether the middle of a hand's crop lies in the inner half of a followed hand's."""
    for track in tracks:
        other = track.crop
        reach = max(other.side, crop.side) / 5
        if abs(crop.center_x - other.center_x) < reach and abs(crop.center_y - other.center_y) < reach:
            return True
    return False


def _same(crop: Region, right: float, lost: Sequence[Track]) -> Track | None:
    """Which of the lost hands this is: one of its size, not far away; rather one of its side, then the nearest."""

    def unlike(track: Track) -> tuple[bool, float]:
        away = math.hypot(crop.center_x - track.crop.center_x, crop.center_y - track.crop.center_y)
        return (track.right >= 0.5) != (right >= 0.5), away

    near = [
        track
        for track in lost
        if unlike(track)[1] < 1.5 * max(crop.side, track.crop.side) and 0.5 < crop.side / track.crop.side < 2
    ]
    return min(near, key=unlike, default=None)
