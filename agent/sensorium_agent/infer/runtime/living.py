"""A model that can be replaced while it runs, losing no sample.

A new version is handed over with `LivingModel.offer` or `LivingModel.replace` by one thread; the lane's thread takes
it up between two samples, in `LivingModel.turn`. What leads may change, what is asked is always answered:

    offer ->  beside (the old one answers, both run, both are compared)  -> promoted, guarded, or rolled back
    replace -> guarded (the new one answers; the old one stands by and takes over what the new one cannot answer)
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from sensorium_agent.infer.runtime.canary import Array, Comparison, Decision, Limits, Verdict, finite, judge
from sensorium_agent.infer.runtime.model import LoadedModel, ModelError, Port


@dataclass(frozen=True, slots=True)
class Version:
    """A loaded version of a model; ``blob`` is its name in the store, empty for the manifest's."""

    blob: str
    model: LoadedModel


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a version that was offered or put in place."""

    name: str
    blob: str
    decision: Decision


class LivingModel:
    """A model by its name, whichever version runs; used by one thread, but for `offer`, `replace`, `outcomes`, `runs`.

    ``comparison`` makes what versions of it are compared by.
    """

    def __init__(self, name: str, version: Version, comparison: Callable[[Limits], Comparison] = Comparison) -> None:
        self.name = name
        self._comparison = comparison
        self.outcomes: deque[Outcome] = deque()
        """What happened since it was last looked; whoever reads takes them out."""
        self.runs = 0
        """Inferences up to now."""
        self._version = version
        self._phase: _Beside | _Guarded | None = None
        self._waiting: deque[_Beside | _Guarded] = deque(maxlen=1)

    @property
    def blob(self) -> str:
        """Which version answers."""
        return self._version.blob

    @property
    def model(self) -> LoadedModel:
        """What answers, for who wants to know its inputs and outputs."""
        return self._version.model

    def run(self, *inputs: Array) -> list[Array]:
        """One inference of the version in use."""
        self.runs += 1
        if self._phase is None:
            return self._version.model.run(*inputs)
        return self._phase.run(inputs)

    def reset(self) -> None:
        """Forget what the runtime's variables hold, in every version that runs."""
        for version in {self._version, *(self._phase.versions if self._phase else ())}:
            version.model.reset()

    def offer(self, version: Version, limits: Limits) -> None:
        """Try ``version`` beside the one in use, from the next sample on."""
        self._waiting.append(_Beside(self._version, version, self._comparison(limits)))

    def replace(self, version: Version, limits: Limits) -> None:
        """Use ``version`` from the next sample on."""
        self._waiting.append(_Guarded(self._version, version, limits))

    def compare(self, version: Version, comparison: Comparison) -> None:
        """Run ``version`` beside the one in use from now on, whatever comes of it, and count it in ``comparison``."""
        self._phase = _Beside(self._version, version, comparison, endless=True)

    def turn(self) -> None:
        """Between two samples: take up what was handed over, and follow what was decided."""
        if self._waiting:
            self._begin(self._waiting.popleft())
        if self._phase is None:
            return
        phase, decision = self._phase, self._phase.decide()
        if decision.verdict is Verdict.KEEP:
            return
        self._phase = None
        self._version = phase.old if decision.verdict is Verdict.ROLLBACK else phase.new
        if decision.verdict is Verdict.ROLLBACK or isinstance(phase, _Beside):
            self.outcomes.append(Outcome(self.name, phase.new.blob, decision))
        if decision.verdict is Verdict.PROMOTE and isinstance(phase, _Beside):
            self._phase = _Guarded(phase.old, phase.new, phase.limits)

    def _begin(self, phase: _Beside | _Guarded) -> None:
        if why := difference_in_kind(phase.new.model, self._version.model):
            self.outcomes.append(Outcome(self.name, phase.new.blob, Decision(Verdict.ROLLBACK, why)))
            return
        phase.old = self._version
        self._phase = phase
        if isinstance(phase, _Guarded):
            self._version = phase.new


class _Beside:
    """The old version answers; the new one is asked the same."""

    def __init__(self, old: Version, new: Version, comparison: Comparison, *, endless: bool = False) -> None:
        self.old, self.new, self.limits = old, new, comparison.limits
        self._comparison = comparison
        self._endless = endless
        self._failure = ""

    @property
    def versions(self) -> tuple[Version, Version]:
        return self.old, self.new

    def run(self, inputs: tuple[Array, ...]) -> list[Array]:
        began = time.thread_time_ns()
        answer = self.old.model.run(*inputs)
        between = time.thread_time_ns()
        try:
            other = self.new.model.run(*inputs)
        except ModelError as error:
            self._failure = f"it cannot answer: {error}"
        else:
            ended = time.thread_time_ns()
            self._comparison.add(answer, other, (between - began) / 1e6, (ended - between) / 1e6)
        return answer

    def decide(self) -> Decision:
        if self._endless:
            return Decision(Verdict.KEEP, "compared to the end")
        if self._failure:
            return Decision(Verdict.ROLLBACK, self._failure)
        return judge(self._comparison.seen(), self.limits)


class _Guarded:
    """The new version answers; where it cannot, the old one does, and leads again."""

    def __init__(self, old: Version, new: Version, limits: Limits) -> None:
        self.old, self.new, self.limits = old, new, limits
        self._runs = 0
        self._failure = ""

    @property
    def versions(self) -> tuple[Version, Version]:
        return self.old, self.new

    def run(self, inputs: tuple[Array, ...]) -> list[Array]:
        if not self._failure:
            try:
                answer = self.new.model.run(*inputs)
            except ModelError as error:
                self._failure = f"it cannot answer: {error}"
            else:
                self._runs += 1
                if finite(answer):
                    return answer
                self._failure = "its answers are no numbers"
        return self.old.model.run(*inputs)

    def decide(self) -> Decision:
        if self._failure:
            return Decision(Verdict.ROLLBACK, self._failure)
        verdict = Verdict.PROMOTE if self._runs >= self.limits.runs else Verdict.KEEP
        return Decision(verdict, f"{self._runs} runs without a fault")


class Ported(Protocol):
    """Whatever knows the inputs and outputs of a model."""

    @property
    def inputs(self) -> tuple[Port, ...]:
        """In order."""

    @property
    def outputs(self) -> tuple[Port, ...]:
        """In order."""


def difference_in_kind(new: Ported, old: Ported) -> str:
    """Why one cannot take the other's place, or nothing.

    Shapes and types have to be the same; a dimension that varies fits any, and a picture may be of any type.
    """
    sides = ((new.inputs, old.inputs), (new.outputs, old.outputs))
    if all(len(a) == len(b) and all(map(_alike, a, b)) for a, b in sides):
        return ""
    return f"it takes and gives other tensors: {_ports(new)}, not {_ports(old)}"


def _alike(one: Port, other: Port) -> bool:
    sizes = len(one.shape) == len(other.shape) and all(
        a == b or -1 in (a, b) for a, b in zip(one.shape, other.shape, strict=True)
    )
    return sizes and (one.dtype == other.dtype or _is_picture(one))


def _is_picture(port: Port) -> bool:
    """`Model.run` takes pixels for these, whatever the file wants."""
    return len(port.shape) == 4 and port.shape[-1] == 3


def _ports(model: Ported) -> str:
    sides = (", ".join(f"{p.dtype}{list(p.shape)}" for p in side) for side in (model.inputs, model.outputs))
    return " -> ".join(sides)
