"""Hands that move, without videos: people of several styles who swipe, wave, circle, push, grab, release or just live.

A hand's place, size, roll and curl are drawn over time from pieces of smooth movement; `motion_camera` shows them to a
camera of any rate that drops pictures, is late, and measures joints with errors. Units are palms (wrist to middle
knuckle, some 9 cm) and seconds; x is to the right of the picture and y down, and the people face the camera.
Velocity profiles: minimum jerk (T. Flash, N. Hogan, J. Neurosci. 5, 1985); lopsided ones stand for the sigma-lognormal
strokes of R. Plamondon, Biol. Cybern. 72 (1995).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
from motion_camera import filmed

Floats = npt.NDArray[np.float64]

_RATE: Final = 200
_SIDES: Final[Mapping[str, tuple[float, float]]] = {
    "swipe_left": (1, 0),
    "swipe_right": (-1, 0),
    "swipe_up": (0, -1),
    "swipe_down": (0, 1),
}


@dataclass(frozen=True, slots=True)
class People:
    """Ranges of a population's styles; lengths in palms, times in seconds.

    Attributes:
        tempo: how much faster than usual.
        reach: how much further than usual.
        slant_deg: standard deviation of directions.
        arc: how far a straight way bulges, in parts of it.
        error: standard deviation of each joint, and of the hand as a whole.
        rate_hz: of the camera; dropped: share of pictures lost, late: of the period, standard deviation.
        lopsided: whether strokes start faster than they end.
        spread: how much a person's fingers are curled when open, and short of curled when closed.
    """

    tempo: tuple[float, float] = (0.75, 1.35)
    reach: tuple[float, float] = (0.8, 1.35)
    slant_deg: float = 7.0
    arc: float = 0.12
    error: tuple[float, float] = (0.01, 0.03)
    rate_hz: tuple[float, ...] = (10, 15, 24, 30, 60)
    dropped: float = 0.12
    late: float = 0.1
    lopsided: bool = False
    spread: float = 0.15


SEEN: Final = People()
UNSEEN: Final = People(
    tempo=(0.65, 1.5),
    reach=(0.7, 1.6),
    slant_deg=9.0,
    arc=0.18,
    error=(0.015, 0.04),
    rate_hz=(12, 20, 25, 50),
    dropped=0.2,
    late=0.2,
    lopsided=True,
    spread=0.2,
)


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """What the landmark model would have given: times [n], joints [n, 21, 3] in pixels; when the gesture was."""

    label: str
    times_ns: npt.NDArray[np.int64]
    joints: npt.NDArray[np.float32]
    onset_ns: int
    end_ns: int


@dataclass(slots=True, eq=False)
class _Take:
    """A take in the making: place x, y, log size, roll and five curls, at 200 Hz."""

    people: People
    rng: np.random.Generator
    rows: list[Floats] = field(default_factory=lambda: [np.zeros((1, 9))])
    onset: int = 0
    end: int = 0
    tempo: float = field(init=False)
    reach: float = field(init=False)

    def __post_init__(self) -> None:
        self.tempo = self.rng.uniform(*self.people.tempo)
        self.reach = self.rng.uniform(*self.people.reach)

    @property
    def now(self) -> Floats:
        """The hand's state."""
        return np.asarray(self.rows[-1][-1])

    @property
    def steps(self) -> int:
        """How long it is."""
        return sum(map(len, self.rows))

    def u(self, low: float, high: float) -> float:
        """A number of this range."""
        return float(self.rng.uniform(low, high))

    def hold(self, seconds: float) -> None:
        """Stay about here."""
        count = max(1, round(seconds * _RATE))
        drift = self.rng.normal(0, 0.06, 9) * np.array([1, 1, 0.15, 0.3, *[0.1] * 5])
        self.rows.append(self.now + drift * _profile(count, lopsided=False)[:, np.newaxis])

    def go(self, change: Floats, seconds: float, *, arc: float = 0.0, beats: bool = True) -> None:
        """Change place, size, roll and curl smoothly; the place on an arc."""
        count = max(2, round(seconds / (self.tempo if beats else 1) * _RATE))
        part = _profile(count, lopsided=self.people.lopsided)[:, np.newaxis]
        rows = self.now + change * part
        rows[:, :2] += arc * np.array([-change[1], change[0]]) * np.sin(np.pi * part)
        self.rows.append(rows)

    def follow(self, rows: Floats) -> None:
        """Add prepared changes [n, 9], which begin at nought."""
        self.rows.append(self.now + rows)

    def begin(self) -> None:
        """What follows is the gesture."""
        self.onset = self.steps

    def stop(self) -> None:
        """The gesture is over."""
        self.end = self.steps


def _profile(count: int, *, lopsided: bool) -> Floats:
    """0 to 1 smoothly; lopsided: half of it done after 40 % of the time."""
    t = np.linspace(0, 1, count + 1)[1:]
    if lopsided:
        t = t**0.75
    return np.asarray(10 * t**3 - 15 * t**4 + 6 * t**5)


def _change(x: float = 0, y: float = 0, size: float = 0, roll: float = 0, curl: float | Floats = 0) -> Floats:
    return np.concatenate([[x, y, size, roll], np.broadcast_to(curl, 5)])


# --- gestures --------------------------------------------------------------------------


def _open(take: _Take) -> None:
    """Open fingers, as this person has them."""
    take.rows = [np.zeros((1, 9))]
    take.rows[0][0, 4:] = take.u(0, take.people.spread) + take.rng.uniform(0, 0.05, 5)
    take.rows[0][0, 3] = take.rng.normal(0, 0.25)


def _raise(take: _Take) -> None:
    """The hand comes into sight, or is there already."""
    if take.rng.random() < 0.5:
        take.go(_change(take.rng.normal(0, 0.8), -take.u(1.5, 4)), take.u(0.35, 0.7))
        take.hold(take.u(0.05, 0.6))
    else:
        take.hold(take.u(0.2, 0.9))


def _swipe(take: _Take, label: str) -> None:
    _open(take)
    direction = np.array(_SIDES[label]) @ _turn(np.radians(take.rng.normal(0, take.people.slant_deg)))
    if direction[1] ** 2 > 0.5:
        take.hold(take.u(0.25, 0.9))
    else:
        _raise(take)
    length = take.u(2.2, 4.5) * take.reach
    if take.rng.random() < 0.3:
        take.go(_change(*(-direction * take.u(0.2, 0.5))), 0.25)
    way = _change(*(direction * length), roll=take.u(0, 0.5) * direction[0])
    take.begin()
    take.go(way, take.u(0.28, 0.5), arc=take.rng.normal(0, take.people.arc / 2))
    take.stop()
    ending = take.rng.random()
    if ending < 0.45:
        take.hold(take.u(0.3, 0.8))
        take.go(-way, take.u(0.5, 1.0))
        take.hold(0.3)
    elif ending < 0.7:
        take.hold(take.u(0.02, 0.1))
        take.go(-way, take.u(0.4, 0.6))
        take.hold(0.4)
    else:
        take.hold(take.u(0.3, 0.6))


def _wave(take: _Take) -> None:
    _open(take)
    _raise(take)
    cycles, rate = take.u(1.9, 4.5), take.u(1.2, 2.6) * take.tempo
    phase = np.arange(round(cycles / rate * _RATE)) / _RATE * rate * 2 * np.pi
    arm, wrist = (
        (take.u(0.5, 1.3) * take.reach, take.u(0, 0.2)) if take.rng.random() < 0.6 else (0.15, take.u(0.35, 0.7))
    )
    ease = np.minimum(1, np.minimum(phase, phase[::-1]) / np.pi)
    rows = np.zeros((len(phase), 9))
    rows[:, 0], rows[:, 3] = arm * np.sin(phase) * ease, wrist * np.sin(phase - take.u(0, 0.6)) * ease
    rows[:, 1] = 0.1 * arm * np.sin(2 * phase) * ease
    take.begin()
    take.follow(rows)
    take.stop()
    take.hold(take.u(0.3, 0.6))


def _circle(take: _Take) -> None:
    _open(take)
    if take.rng.random() < 0.6:
        take.rows[0][0, 4:] = [0.8, 0, 0.95, 0.95, 0.95]
    _raise(take)
    loops, period, radius = take.u(1.0, 2.2), take.u(0.6, 1.3) / take.tempo, take.u(0.6, 1.6) * take.reach
    t = np.linspace(0, 1, round(loops * period * _RATE))
    start, sense = take.u(0, 2 * np.pi), take.rng.choice([-1, 1])
    angle = start + sense * 2 * np.pi * loops * (t + 0.06 * (_profile(len(t), lopsided=False) - t))
    rows = np.zeros((len(t), 9))
    squash = take.u(0.7, 1.0)
    rows[:, 0] = radius * (np.cos(angle) - np.cos(start))
    rows[:, 1] = radius * squash * (np.sin(angle) - np.sin(start))
    take.begin()
    take.follow(rows)
    take.stop()
    take.hold(take.u(0.3, 0.6))


def _push(take: _Take) -> None:
    _open(take)
    _raise(take)
    way = _change(take.rng.normal(0, 0.2), take.rng.normal(0, 0.2), size=take.u(0.32, 0.65) * min(take.reach, 1.2))
    take.begin()
    take.go(way, take.u(0.3, 0.55))
    take.stop()
    take.hold(take.u(0.25, 0.6))
    if take.rng.random() < 0.5:
        take.go(-way, take.u(0.4, 0.9))
        take.hold(0.3)


def _grip(take: _Take, label: str) -> None:
    _open(take)
    shut = 1 - take.u(0, 0.8 * take.people.spread)
    if label == "release":
        take.rows[0][0, 4:] = shut
    _raise(take)
    to = shut if label == "grab" else take.u(0, take.people.spread)
    take.begin()
    take.go(_change(*take.rng.normal(0, 0.15, 2), curl=to - take.now[4:]), take.u(0.22, 0.5))
    take.stop()
    take.hold(take.u(0.3, 0.7))


# --- life ------------------------------------------------------------------------------


def _relaxed(take: _Take) -> None:
    take.rows = [np.zeros((1, 9))]
    take.rows[0][0, 4:] = take.u(0.15, 0.55) + take.rng.uniform(-0.1, 0.1, 5)


def _rest(take: _Take) -> None:
    _relaxed(take)
    for _ in range(4):
        take.hold(take.u(0.3, 1.0))


def _come_and_go(take: _Take) -> None:
    _relaxed(take)
    take.go(_change(take.rng.normal(0, 1), -take.u(2, 5)), take.u(0.4, 0.9))
    take.hold(take.u(0.3, 1.5))
    take.go(_change(take.rng.normal(0, 1), take.u(2, 5)), take.u(0.4, 0.9))


def _reach_slowly(take: _Take) -> None:
    _relaxed(take)
    take.hold(0.3)
    length, angle = take.u(1.5, 5), take.u(0, 2 * np.pi)
    take.go(_change(length * np.cos(angle), length * np.sin(angle)), length / take.u(0.8, 1.8), beats=False)
    take.hold(0.4)


def _talk(take: _Take) -> None:
    """Beats of a talking hand: short ways in all directions, never far."""
    _relaxed(take)
    take.hold(0.2)
    for _ in range(int(take.rng.integers(4, 10))):
        goal = take.rng.normal(0, 0.45, 2)
        here = take.now
        take.go(
            _change(*(goal - here[:2]), roll=take.rng.normal(0, 0.15), curl=take.rng.normal(0, 0.06, 5)),
            take.u(0.2, 0.5),
        )
        if take.rng.random() < 0.4:
            take.hold(take.u(0.05, 0.4))
    take.hold(0.3)


def _show_something_else(take: _Take) -> None:
    """From one pose to another that is neither fist nor open hand."""
    _open(take)
    poses = [[0.9, 0, 1, 1, 1], [0.9, 0, 0, 1, 1], [0.2, 0.45, 0.45, 0.45, 0.45], [0.1, 1, 1, 1, 0], [0.9, 0, 0, 0, 0]]
    for _ in range(3):
        take.hold(take.u(0.2, 0.6))
        goal = np.array(poses[take.rng.integers(len(poses))])
        take.go(_change(*take.rng.normal(0, 0.2, 2), curl=goal - take.now[4:]), take.u(0.2, 0.5))
    take.hold(0.3)


def _scratch(take: _Take) -> None:
    _relaxed(take)
    take.hold(0.3)
    phase = np.arange(_RATE) / _RATE * take.u(3, 6) * 2 * np.pi
    rows = np.zeros((len(phase), 9))
    rows[:, :2] = np.sin(phase)[:, np.newaxis] * take.rng.normal(0, 0.08, 2)
    take.follow(rows)
    take.hold(0.3)


def _lean_in(take: _Take) -> None:
    _relaxed(take)
    take.hold(0.3)
    take.go(
        _change(take.rng.normal(0, 0.5), take.rng.normal(0, 0.5), size=take.u(0.1, 0.5)), take.u(1.5, 3), beats=False
    )
    take.hold(0.3)


def _go_slanting(take: _Take) -> None:
    _relaxed(take)
    take.hold(0.3)
    angle = np.radians(take.rng.choice([45, 135, 225, 315]) + take.u(-6, 6))
    length = take.u(2, 4)
    take.go(_change(length * np.cos(angle), length * np.sin(angle)), take.u(0.4, 0.7))
    take.hold(0.4)


Act = Callable[[_Take], None]
GESTURES: Final[Mapping[str, Act]] = {
    **{label: (lambda take, label=label: _swipe(take, label)) for label in _SIDES},
    "wave": _wave,
    "circle": _circle,
    "push": _push,
    "grab": lambda take: _grip(take, "grab"),
    "release": lambda take: _grip(take, "release"),
}
LIFE: Final[Mapping[str, Act]] = {
    "rest": _rest,
    "come and go": _come_and_go,
    "reach slowly": _reach_slowly,
    "talk": _talk,
    "other poses": _show_something_else,
    "scratch": _scratch,
    "lean in": _lean_in,
    "go slanting": _go_slanting,
}


def clip(name: str, people: People, rng: np.random.Generator) -> Clip:
    """One of `GESTURES` or `LIFE`, by a person of ``people``, as a camera saw it."""
    take = _Take(people, rng)
    {**GESTURES, **LIFE}[name](take)
    times, joints = filmed(np.concatenate(take.rows), _RATE, people, rng)
    onset_ns, end_ns = (round(step / _RATE * 1e9) for step in (take.onset, take.end))
    return Clip(name, times, joints, onset_ns, end_ns)


def drawn(name: str, way: Floats, people: People, rng: np.random.Generator) -> Clip:
    """A way [n, 2] of unit size, eased, that a hand of ``people`` draws in the air from rest to rest."""
    take = _Take(people, rng)
    _open(take)
    if rng.random() < 0.5:
        take.rows[0][0, 4:] = [0.8, 0, 0.95, 0.95, 0.95]
    _raise(take)
    take.hold(take.u(0.25, 0.6))
    seconds = take.u(0.9, 2.2) / take.tempo
    at = np.linspace(0, len(way) - 1, max(round(seconds * _RATE), 2))
    rows = np.zeros((len(at), 9))
    slanted = way @ _turn(np.radians(rng.normal(0, people.slant_deg)))
    for axis in (0, 1):
        rows[:, axis] = take.u(2.0, 3.5) * take.reach * np.interp(at, np.arange(len(way)), slanted[:, axis])
    rows[:, :2] -= rows[0, :2]
    take.begin()
    take.follow(rows)
    take.stop()
    take.hold(take.u(0.4, 0.8))
    times, joints = filmed(np.concatenate(take.rows), _RATE, people, rng)
    return Clip(name, times, joints, round(take.onset / _RATE * 1e9), round(take.end / _RATE * 1e9))


def _turn(angle: float) -> Floats:
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
