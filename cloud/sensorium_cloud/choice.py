"""Which runtime a net gets: each that is there is tried at start on what the net will have to do.

ONNX Runtime in binary32 is the one most tested, and what the others' answers are compared with: another is taken only
where it is clearly faster, and answers the same.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from sensorium_cloud.runtime import Provider, available

log = logging.getLogger(__name__)

Floats = npt.NDArray[np.floating[Any]]

_WORTH: Final = 0.9
"""Another provider must take less than this part of the plain one's time."""
_TRIAL_S: Final = 0.3
_LEAST_ROUNDS: Final = 3
_MOST_ROUNDS: Final = 20


class Prepares(Protocol):
    """What is made with a provider."""

    def prepare(self) -> None:
        """Get everything ready that would otherwise be made when it is first needed."""


T = TypeVar("T", bound=Prepares)


@dataclass(frozen=True, slots=True)
class Task(Generic[T]):
    """What a net is tried on.

    Attributes:
        net: its name, for the log.
        begin: gets it ready for a net, and gives what does it and tells the answers; that alone is timed.
        apart: how far answers lie from those of the plain provider.
        tolerance: how far they may.
    """

    net: str
    begin: Callable[[T], Callable[[], Floats]]
    apart: Callable[[Floats, Floats], float]
    tolerance: float


@dataclass(frozen=True, slots=True)
class Trial:
    """How a provider did: seconds, the least of some runs, and how far its answers lie from the plain one's."""

    took_s: float
    apart: float = 0.0


def choose(task: Task[T], wanted: str, make: Callable[[Provider], T], there: Collection[Provider] | None = None) -> T:
    """The net, made with the provider that ``wanted`` names, or with what is fastest here for ``auto``; prepared.

    Args:
        task: what it has to do.
        wanted: a provider, or ``auto``. What cannot be used, or answers otherwise, is said loudly and done without.
        make: makes it with a provider; for all but the plain one it may raise what it likes.
        there: what the machine could run; None to look.
    """
    made, best = {Provider.CPU: make(Provider.CPU)}, Provider.CPU
    others = candidates(wanted, available() if there is None else there)
    trials = _trials(task, made, others, make) if others else {}
    if trials:
        best = decided(wanted, trials, task.tolerance)
    _tell(task, wanted, best, trials)
    made[best].prepare()
    return made[best]


def candidates(wanted: str, there: Collection[Provider]) -> list[Provider]:
    """Whom to try beside the plain one: who is ``wanted``; for ``auto`` all, but each runtime once, at its fastest."""
    slower = {Provider.OPENVINO} if Provider.OPENVINO_BF16 in there else set()
    return [p for p in there if p is not Provider.CPU and (wanted == p or (wanted == "auto" and p not in slower))]


def decided(wanted: str, trials: Mapping[Provider, Trial], tolerance: float) -> Provider:
    """The provider to use: the one that is ``wanted``, or for ``auto`` the fastest; the plain one unless it agrees."""
    good = {p: t for p, t in trials.items() if p is not Provider.CPU and t.apart <= tolerance}
    best = min(good, key=lambda p: good[p].took_s, default=Provider.CPU)
    if wanted == "auto" and best in good and good[best].took_s > _WORTH * trials[Provider.CPU].took_s:
        return Provider.CPU
    return best


def _trials(
    task: Task[T], made: dict[Provider, T], others: Iterable[Provider], make: Callable[[Provider], T]
) -> dict[Provider, Trial]:
    """How all of them did; what can be made is added to ``made``."""
    runs = {Provider.CPU: task.begin(made[Provider.CPU])}
    answers = {Provider.CPU: runs[Provider.CPU]()}
    for provider in others:
        try:
            net = make(provider)
            run = task.begin(net)
            answers[provider] = run()
        except Exception as error:  # noqa: BLE001 - a driver that does not fit must not keep us from starting
            reason = (str(error) or type(error).__name__).splitlines()[0]
            log.warning("engine.provider_failed net=%s name=%s reason=%s", task.net, provider, reason)
        else:
            made[provider], runs[provider] = net, run
    took_s = _took_s(runs)
    return {p: Trial(took_s[p], _apart(task, found, answers[Provider.CPU])) for p, found in answers.items()}


def _apart(task: Task[T], answers: Floats, expected: Floats) -> float:
    return task.apart(answers, expected) if np.isfinite(answers).all() else math.inf


def _took_s(runs: Mapping[Provider, Callable[[], object]]) -> dict[Provider, float]:
    """Seconds, the least of some runs: whatever else the machine does only adds to them. In turns, for it may begin."""
    least, began, rounds = dict.fromkeys(runs, math.inf), time.perf_counter(), 0
    while rounds < _LEAST_ROUNDS or (rounds < _MOST_ROUNDS and time.perf_counter() - began < _TRIAL_S):
        for provider, run in runs.items():
            before = time.perf_counter()
            run()
            least[provider] = min(least[provider], time.perf_counter() - before)
        rounds += 1
    return least


def _tell(task: Task[T], wanted: str, best: Provider, trials: Mapping[Provider, Trial]) -> None:
    for provider, trial in trials.items():
        if not trial.apart <= task.tolerance:
            words = "engine.provider_differs net=%s name=%s apart=%.2g tolerance=%.2g"
            log.warning(words, task.net, provider, trial.apart, task.tolerance)
    if wanted not in ("auto", best):
        log.warning("engine.provider_unavailable net=%s wanted=%s used=%s", task.net, wanted, best)
    figures = "".join(f" {provider}_ms={1e3 * trial.took_s:.2f}" for provider, trial in trials.items())
    log.log(logging.WARNING if trials else logging.INFO, "engine.provider net=%s name=%s%s", task.net, best, figures)
