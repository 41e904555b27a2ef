"""Versions on probation: one that kills the process on real input leaves nobody behind who could take it back.

So the store is told before such a version runs, and again when the agent ends in order, or the version has run for
long. A start that finds two starts of a version without an end refuses it (`Choice.beginning`), or five, where each
time the machine went down, too. Two writes a version and run of the agent, none for those that are proven.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from sensorium.errors import SensoriumError
from sensorium_agent.infer.runtime.canary import Limits, is_proven
from sensorium_agent.infer.runtime.living import LivingModel
from sensorium_models import store
from sensorium_models.choice import Choice

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Begun:
    """When a version began, and how often its model had run by then."""

    at_s: float
    runs: int


class Probation:
    """The versions that this process runs and that are not proven yet.

    ``now_s`` is any clock that only rises; ``boot_id`` names this run of the machine.
    """

    def __init__(self, limits: Limits, now_s: Callable[[], float], boot_id: str) -> None:
        self._limits = limits
        self._now_s = now_s
        self._boot_id = boot_id
        self._begun: dict[tuple[str, str], _Begun] = {}

    def begin(self, name: str, blob: str, runs: int) -> None:
        """Call it before ``blob`` is loaded; the model ``name`` has run so often.

        Raises:
            VersionDeadly: it killed agents.
        """
        if (name, blob) in self._begun:
            return
        try:
            choice = store.choose(name, partial(Choice.beginning, blob=blob, boot_id=self._boot_id))
        except store.StoreUnwritable as error:
            _tell_unwritten(name, error)
            return
        if blob in choice.unended:
            self._begun[name, blob] = _Begun(self._now_s(), runs)

    def look(self, models: Mapping[str, LivingModel], *, ended: bool = False) -> None:
        """Write down which versions are proven by now; with ``ended`` also that the agent survived the others."""
        for (name, blob), begun in list(self._begun.items()):
            runs, ran_s = _runs(models.get(name), blob, begun), self._now_s() - begun.at_s
            if is_proven(runs, ran_s, self._limits, ended=ended):
                how = f"{runs} runs in {ran_s / 60:.0f} min"
                self._conclude(name, blob, partial(Choice.proving, blob=blob, how=how))
            elif ended:
                self._conclude(name, blob, partial(Choice.ended, blob=blob))

    def _conclude(self, name: str, blob: str, step: Callable[[Choice], Choice]) -> None:
        if self._begun.pop((name, blob), None) is None:  # told once, even if it cannot be written
            return
        try:
            store.choose(name, step)
        except SensoriumError as error:
            _tell_unwritten(name, error)


def _runs(model: LivingModel | None, blob: str, begun: _Begun) -> int:
    return model.runs - begun.runs if model is not None and model.blob == blob else 0


def _tell_unwritten(name: str, error: SensoriumError) -> None:
    log.warning("model.choice_not_written name=%s reason=%r", name, str(error))
