"""What one check found, and how all of it reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from sensorium.errors import SensoriumError

State = Literal["ok", "warn", "fail"]

INSTALL: Final = "pip install 'sensorium[agent]'"


@dataclass(frozen=True, slots=True)
class Result:
    """What one check found.

    Attributes:
        name: what was looked at.
        state: ``warn`` where something works less well, ``fail`` where the settings cannot work.
        detail: what is there, or what is wrong.
        way_out: how to mend it, one way a line; empty if there is nothing to do.
    """

    name: str
    state: State
    detail: str
    way_out: str = ""


def render(results: Sequence[Result]) -> str:
    """One line a result, the way out, or ways, below it."""
    width = max((len(r.name) for r in results), default=0)
    lines = []
    for r in results:
        lines.append(f"{r.state:<4}  {r.name:<{width}}  {r.detail}")
        lines += [f"{'':<4}  {'':<{width}}  -> {way}" for way in r.way_out.splitlines()]
    counts = {state: sum(r.state == state for r in results) for state in ("ok", "warn", "fail")}
    lines.append(", ".join(f"{count} {state}" for state, count in counts.items()))
    return "\n".join(lines)


def missing(needed: bool) -> State:
    """How bad it is that something is not here."""
    return "fail" if needed else "warn"


def told(name: str, state: State, error: SensoriumError, way_out: str = "") -> Result:
    """What an error of ours says; it ends with its way out, unless there is a better one."""
    problem, _, cure = str(error).rpartition("; ")
    return Result(name, state, problem, way_out or cure) if problem else Result(name, state, cure, way_out)
