"""Which runtime a net gets: each that is there is tried at start on what the net will have to do.

ONNX Runtime in binary32 is the one most tested, and what the others' answers are compared with: another is taken only
where it is clearly faster, and answers the same at every size that it may be asked.
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

from sensorium_cloud.runtime.net import NEEDS, Provider, available

log = logging.getLogger(__name__)

Floats = npt.NDArray[np.floating[Any]]

AUTO: Final = "auto"
"""In place of a provider: whichever is fastest here."""
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


class Choose(Protocol):
    """`choose`, or `as_told`."""

    def __call__(self, task: Task[T], wanted: str, make: Callable[[Provider], T], /) -> T:
        """The net, made with a provider, and prepared."""


@dataclass(frozen=True, slots=True)
class Task(Generic[T]):
    """What a net is tried on.

    Attributes:
        net: its name, for the log.
        begin: gets ready what it has to do most, and gives what does it; that alone is timed.
        answers: what it says to questions of every size that it may be asked.
        apart: how far answers lie from those of the plain provider.
        tolerance: how far they may.
    """

    net: str
    begin: Callable[[T], Callable[[], object]]
    answers: Callable[[T], Floats]
    apart: Callable[[Floats, Floats], float]
    tolerance: float


def choose(task: Task[T], wanted: str, make: Callable[[Provider], T], there: Collection[Provider] | None = None) -> T:
    """The net that `chosen` finds; prepared."""
    _, net = chosen(task, wanted, make, there)
    return net


def chosen(
    task: Task[T], wanted: str, make: Callable[[Provider], T], there: Collection[Provider] | None = None
) -> tuple[Provider, T]:
    """What ``wanted`` names, or for ``auto`` what is fastest here; and the net, made with it and prepared.

    Args:
        task: what it has to do.
        wanted: a provider, or ``auto``. What cannot be used, or answers otherwise, is said loudly and done without.
        make: makes it with a provider; for all but the plain one it may raise what it likes.
        there: what the machine could run; None to look.
    """
    plain = make(Provider.CPU)
    there = available() if there is None else there
    others = candidates(wanted, there)
    made = {Provider.CPU: plain, **_made(task, others, make)}
    took_s = _took_s({p: task.begin(net) for p, net in made.items()}) if others else {}
    left = dict(took_s)
    while (best := decided(wanted, left)) is not Provider.CPU and not _agrees(task, best, made[best], plain):
        del left[best]
    if wanted not in (AUTO, best):
        needs = "" if wanted in there else f" needs={NEEDS[Provider(wanted)]}"
        log.warning("engine.provider_unavailable net=%s wanted=%s used=%s%s", task.net, wanted, best, needs)
    figures = "".join(f" {provider}_ms={1e3 * took:.2f}" for provider, took in took_s.items())
    log.log(logging.WARNING if others else logging.INFO, "engine.provider net=%s name=%s%s", task.net, best, figures)
    return best, made[best]


def as_told(task: Task[T], told: str, make: Callable[[Provider], T], there: Collection[Provider] | None = None) -> T:
    """The net, made with the provider ``told`` and prepared, without a trial; with the plain one if that cannot be."""
    there = available() if there is None else there
    if told in there and told != Provider.CPU:
        try:
            net = make(Provider(told))
            net.prepare()
        except Exception as error:  # noqa: BLE001 - as below
            _tell_failed(task.net, Provider(told), error)
        else:
            log.info("engine.provider net=%s name=%s", task.net, told)
            return net
    return chosen(task, told, make, [Provider.CPU])[1]


def candidates(wanted: str, there: Collection[Provider]) -> list[Provider]:
    """Whom to try beside the plain one: who is ``wanted``; for ``auto`` all, but each runtime once, at its fastest."""
    slower = {Provider.OPENVINO} if Provider.OPENVINO_BF16 in there else set()
    return [p for p in there if p is not Provider.CPU and (wanted == p or (wanted == AUTO and p not in slower))]


def decided(wanted: str, took_s: Mapping[Provider, float]) -> Provider:
    """The provider to use, by seconds of each: the one that is ``wanted``; for ``auto`` the fastest, if that pays."""
    best = min((p for p in took_s if p is not Provider.CPU), key=lambda p: took_s[p], default=Provider.CPU)
    if best is not Provider.CPU and wanted == AUTO and took_s[best] > _WORTH * took_s[Provider.CPU]:
        return Provider.CPU
    return best


def _made(task: Task[T], others: Iterable[Provider], make: Callable[[Provider], T]) -> dict[Provider, T]:
    """What can be made with ``others``, and does run."""
    made: dict[Provider, T] = {}
    for provider in others:
        try:
            net = make(provider)
            task.begin(net)()
        except Exception as error:  # noqa: BLE001 - a driver that does not fit must not keep us from starting
            _tell_failed(task.net, provider, error)
        else:
            made[provider] = net
    return made


def _took_s(runs: Mapping[Provider, Callable[[], object]]) -> dict[Provider, float]:
    """Seconds, the least of some runs in turns: what else runs here adds to them. Of CPU, where no card takes part."""
    clock = time.perf_counter if Provider.CUDA in runs else time.process_time
    least, began, rounds = dict.fromkeys(runs, math.inf), time.perf_counter(), 0
    while rounds < _LEAST_ROUNDS or (rounds < _MOST_ROUNDS and time.perf_counter() - began < _TRIAL_S):
        for provider, run in runs.items():
            before = clock()
            run()
            least[provider] = min(least[provider], clock() - before)
        rounds += 1
    return least


def _agrees(task: Task[T], provider: Provider, net: T, plain: T) -> bool:
    """Whether ``net``, prepared, answers as ``plain`` does; at every size: a runtime may be wrong at a single one."""
    expected = task.answers(plain)
    try:
        net.prepare()
        answers = task.answers(net)
    except Exception as error:  # noqa: BLE001 - as above
        _tell_failed(task.net, provider, error)
        return False
    sound = answers.shape == expected.shape and np.isfinite(answers).all()
    apart = task.apart(answers, expected) if sound else math.inf
    if apart <= task.tolerance:
        return True
    words = "engine.provider_differs net=%s name=%s apart=%.2g tolerance=%.2g"
    log.warning(words, task.net, provider, apart, task.tolerance)
    return False


def _tell_failed(net: str, provider: Provider, error: Exception) -> None:
    reason = (str(error) or type(error).__name__).splitlines()[0]
    log.warning("engine.provider_failed net=%s name=%s reason=%s", net, provider, reason)
