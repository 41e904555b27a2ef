"""The models of this process: each loaded once, replaced while it runs when another version is chosen.

`Shelf.model` gives a model to a lane. `Shelf.look`, called now and then by a thread of its own, compares what runs with
what the store says: it loads what is new, hands it over, and writes back what became of it.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from sensorium.clock import boot_id
from sensorium.errors import SensoriumError
from sensorium_agent.infer.runtime import trial
from sensorium_agent.infer.runtime.accelerate import CPU, Accelerator
from sensorium_agent.infer.runtime.canary import Comparison, Decision, Limits, Verdict
from sensorium_agent.infer.runtime.living import LivingModel, Outcome, Version
from sensorium_agent.infer.runtime.model import ModelError, load
from sensorium_agent.infer.runtime.probation import Probation
from sensorium_models import store
from sensorium_models.choice import SHIPPED, Choice, ChoiceDamaged, sole_agent

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Change:
    """Something happened to a model's version; hashes are cut to 12 digits, ``shipped`` is the manifest's version."""

    name: str
    what: str
    version: str
    reason: str = ""


class Shelf:
    """Loads models by name, on one accelerator."""

    def __init__(
        self,
        *,
        threads: int = 1,
        accelerator: Accelerator = CPU,
        limits: Limits | None = None,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._threads = threads
        self._accelerator = accelerator
        self._limits = limits or Limits()
        self._models: dict[str, LivingModel] = {}
        self._asked: dict[str, Choice] = {}
        """The choices that were followed; what failed here is not followed twice, even if it cannot be written down."""
        self._unread: set[str] = set()
        """The models whose choice cannot be read, which was said."""
        self._distrusted = False
        """The delegate crashed in its trial."""
        self._now_s = now_s
        self._probation: Probation | None = None

    @contextlib.contextmanager
    def on_probation(self) -> Iterator[None]:
        """Remember while inside which versions run, so that one that kills the agent again and again is given up.

        Of the processes that share a store only one does, which has to be an agent on real input.
        """
        with sole_agent(store.root()) as sole:
            probation = self._probation = Probation(self._limits, self._now_s, boot_id()) if sole else None
            try:
                yield
            finally:
                self._probation = None
                if probation is not None:
                    probation.look(self._models, ended=True)

    def model(self, name: str) -> LivingModel:
        """A model in the version that was chosen, or, where that one fails, in the one before it.

        Raises:
            SensoriumError: not even the version of the manifest can be had.
        """
        if name not in self._models:
            self._models[name] = LivingModel(name, self._first(name), functools.partial(comparison, name))
        return self._models[name]

    def turner(self, names: Iterable[str]) -> Callable[[], None]:
        """What a lane calls between two samples, so that its models may change there."""
        models = [self._models[name] for name in names if name in self._models]

        def turn() -> None:
            for model in models:
                model.turn()

        return turn

    def runs_on(self) -> dict[str, str]:
        """What each model runs on."""
        return {name: model.model.runs_on for name, model in self._models.items()}

    def digest(self, name: str) -> str:
        """The sha256 of the version of a model that runs, or of the one that was chosen, if none runs.

        Raises:
            SensoriumError: none runs, and nothing says which one would.
        """
        if name not in self._models:
            return store.digest(name)
        blob = self._models[name].blob
        return Path(blob).stem if blob else store.sha256(store.version(name, SHIPPED))

    def look(self) -> list[Change]:
        """Follow what was chosen since the last look, and tell what became of it; blocks while it loads."""
        if self._probation is not None:
            self._probation.look(self._models)
        return [*self.settle(), *(change for model in self._models.values() for change in self._follow(model))]

    def settle(self) -> list[Change]:
        """Write down what became of the versions that were tried."""
        changes = []
        for model in self._models.values():
            while model.outcomes:
                changes.append(self._settle(model.outcomes.popleft()))
        return changes

    # --- the first version ---------------------------------------------------------------

    def _first(self, name: str) -> Version:
        choice = self._chosen(name, Choice())
        self._asked[name] = replace(choice, candidate="")  # which is tried at the first look
        while choice.chosen:
            try:
                self._begin(name, choice.chosen)
                return self._load(name, choice.chosen)
            except SensoriumError as error:
                self._refuse(name, choice.chosen, str(error))
                choice = choice.refusing(choice.chosen, str(error))
        return self._load(name, SHIPPED)

    def _chosen(self, name: str, known: Choice) -> Choice:
        """What the store says; where that cannot be read, what was ``known``, and one line that says so."""
        try:
            found = store.versions(name)
        except ChoiceDamaged as error:
            if name not in self._unread:
                log.warning("model.choice_unread name=%s reason=%r", name, str(error))
            self._unread.add(name)
            return known
        self._unread.discard(name)
        return found

    def _begin(self, name: str, blob: str, runs: int = 0) -> None:
        if self._probation is not None:
            self._probation.begin(name, blob, runs)

    def _load(self, name: str, blob: str) -> Version:
        path = store.version(name, blob)
        if self._accelerator.library and self._accelerator.concerns(path) and not self._distrusted:
            self._try_delegate(name, blob)
        accelerator = CPU if self._distrusted else self._accelerator
        return Version(blob, load(path, threads=self._threads, accelerator=accelerator))

    def _try_delegate(self, name: str, blob: str) -> None:
        """A delegate is somebody's machine code: one that crashes, crashes alone, and is not asked again."""
        if self._models:
            return
        tried = trial.attempt(name, store.version(name, blob), threads=self._threads, accelerator=self._accelerator)
        if tried.trouble:
            self._distrusted = True
            log.warning("accelerator.fallback wanted=%s runs_on=cpu why=%r", self._accelerator, tried.trouble)

    # --- versions that come later --------------------------------------------------------

    def _follow(self, model: LivingModel) -> list[Change]:
        before = self._asked[model.name]
        now = self._chosen(model.name, before)
        self._asked[model.name] = now
        changes = []
        if now.chosen not in (before.chosen, model.blob):
            changes.append(self._hand_over(model, now.chosen, "swapped", model.replace))
        if now.candidate and now.candidate != before.candidate:
            changes.append(self._hand_over(model, now.candidate, "tried", model.offer))
        return changes

    def _hand_over(self, model: LivingModel, blob: str, what: str, give: Callable[[Version, Limits], None]) -> Change:
        try:
            tried = trial.attempt(model.name, store.version(model.name, blob), threads=self._threads)
            if tried.trouble:
                raise ModelError(tried.trouble)
            self._begin(model.name, blob, model.runs)
            give(self._load(model.name, blob), self._limits)
        except SensoriumError as error:
            return self._settle(Outcome(model.name, blob, Decision(Verdict.ROLLBACK, str(error))))
        log.info("model.%s name=%s version=%s", what, model.name, short(blob))
        return Change(model.name, what, short(blob))

    def _settle(self, outcome: Outcome) -> Change:
        name, blob, reason = outcome.name, outcome.blob, outcome.decision.reason
        if outcome.decision.verdict is Verdict.ROLLBACK:
            self._refuse(name, blob, reason)
            return Change(name, "rolled_back", short(blob), reason)
        log.warning("model.promoted name=%s version=%s reason=%r", name, short(blob), reason)
        self._asked[name] = self._write(name, lambda choice: choice.promoting(blob))
        return Change(name, "promoted", short(blob), reason)

    def _refuse(self, name: str, blob: str, why: str) -> None:
        verb = "canary" if blob == self._asked[name].candidate else "use"
        self._asked[name] = self._write(name, lambda choice: choice.refusing(blob, why))
        log.warning(
            "model.rolled_back name=%s version=%s reason=%r used=%s again=%r",
            *(name, short(blob), why, short(self._asked[name].refusing(blob, why).chosen)),
            f"sensorium models {verb} {name} {short(blob)} --again",
        )

    def _write(self, name: str, step: Callable[[Choice], Choice]) -> Choice:
        try:
            return store.choose(name, step)
        except SensoriumError as error:
            log.warning("model.choice_not_written name=%s reason=%r", name, str(error))
            return self._asked[name]  # so that it is not seen as new


def comparison(name: str, limits: Limits) -> Comparison:
    """What two versions of a model are compared by: its classes, and those of its outputs that somebody looks at."""
    model = store.entry(name)
    unheeded = frozenset(number for number, output in enumerate(model.outputs) if not output.heeded)
    return Comparison(limits, model.labels, [output.means for output in model.outputs], unheeded)


def short(blob: str) -> str:
    """A version as people meet it."""
    return blob[:12] or "shipped"
