"""A model is replaced while it runs: every sample is answered, and what fails leaves for good."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from agent.tiny_models import WIDTH, inputs, litert

from sensorium_agent.infer.runtime.canary import Array, Limits, Verdict
from sensorium_agent.infer.runtime.living import LivingModel, Version
from sensorium_agent.infer.runtime.model import LoadedModel, ModelError, Port, load

LIMITS = Limits(runs=20, telling=0, warm_up=0, slowdown=1e9)
PORTS = (Port("x", "float32", (1, WIDTH)),)


class Scripted:
    """A model that gives one answer after the other; an error is raised."""

    inputs = outputs = PORTS
    runs_on = "cpu"

    def __init__(self, *answers: float | ModelError) -> None:
        self.asked = self.resets = 0
        self._answers = answers

    def run(self, *_: Array) -> list[Array]:
        answer = self._answers[min(self.asked, len(self._answers) - 1)]
        self.asked += 1
        if isinstance(answer, ModelError):
            raise answer
        return [np.full(50, answer, np.float32)]

    def reset(self) -> None:
        self.resets += 1


def said(model: LivingModel, samples: int) -> list[float]:
    """What it answers to so many samples, taking its turn before each."""
    answers = []
    for _ in range(samples):
        model.turn()
        answers.append(float(model.run(np.zeros(1))[0][0]))
    model.turn()
    return answers


def living(old: LoadedModel) -> LivingModel:
    return LivingModel("hand", Version("", old))


def verdicts(model: LivingModel) -> Sequence[tuple[str, Verdict]]:
    return [(outcome.blob, outcome.decision.verdict) for outcome in model.outcomes]


def test_a_candidate_is_asked_the_same_and_not_listened_to_until_it_has_proved_itself() -> None:
    old, new = Scripted(1.0), Scripted(1.01)
    model = living(old)
    model.offer(Version("new", new), LIMITS)

    assert said(model, 20) == [1.0] * 20
    assert verdicts(model) == [("new", Verdict.PROMOTE)]
    assert said(model, 1) == pytest.approx([1.01])
    assert model.blob == "new"
    assert (old.asked, new.asked) == (20, 21)


@pytest.mark.parametrize(
    ("answers", "because"),
    [((2.0,), "disagrees"), ((float("nan"),), "no numbers"), ((1.0, ModelError("out of memory")), "out of memory")],
)
def test_a_candidate_that_fails_changes_no_answer(answers: tuple[float | ModelError, ...], because: str) -> None:
    model = living(Scripted(1.0))
    model.offer(Version("new", Scripted(*answers)), LIMITS)

    assert said(model, 40) == [1.0] * 40
    assert verdicts(model) == [("new", Verdict.ROLLBACK)]
    assert because in model.outcomes[0].decision.reason
    assert model.blob == ""


def test_a_replacement_answers_from_the_next_sample_on() -> None:
    model = living(Scripted(1.0))
    assert said(model, 2) == [1.0, 1.0]

    model.replace(Version("new", Scripted(2.0)), LIMITS)

    assert float(model.run(np.zeros(1))[0][0]) == 1.0  # the sample under way
    assert said(model, 2) == [2.0, 2.0]


@pytest.mark.parametrize("fault", [ModelError("bus error"), float("nan")])
def test_what_a_replacement_cannot_answer_the_old_version_does(fault: float | ModelError) -> None:
    model = living(Scripted(1.0))
    model.replace(Version("new", Scripted(2.0, 2.0, fault)), LIMITS)

    assert said(model, 5) == [2.0, 2.0, 1.0, 1.0, 1.0]
    assert verdicts(model) == [("new", Verdict.ROLLBACK)]
    assert model.blob == ""


def test_a_promoted_version_is_still_watched_for_a_while() -> None:
    model = living(Scripted(1.0))
    model.offer(Version("new", Scripted(*[1.0] * 25, ModelError("late"))), LIMITS)

    assert said(model, 30) == [1.0] * 30
    assert verdicts(model) == [("new", Verdict.PROMOTE), ("new", Verdict.ROLLBACK)]


def test_after_its_probation_the_old_version_is_let_go() -> None:
    old = Scripted(1.0)
    model = living(old)
    model.replace(Version("new", Scripted(2.0)), LIMITS)
    said(model, 21)

    model.reset()

    assert (old.resets, model.outcomes) == (0, type(model.outcomes)())


def test_reset_reaches_every_version_that_runs() -> None:
    old, new = Scripted(1.0), Scripted(1.0)
    model = living(old)
    model.offer(Version("new", new), LIMITS)
    model.turn()

    model.reset()

    assert (old.resets, new.resets) == (1, 1)


def test_a_version_with_other_inputs_or_outputs_never_runs() -> None:
    other = Scripted(1.0)
    other.outputs = (Port("y", "float32", (1, 99)),)
    model = living(Scripted(1.0))
    model.replace(Version("new", other), LIMITS)

    assert said(model, 3) == [1.0] * 3
    assert other.asked == 0
    assert "other tensors" in model.outcomes[0].decision.reason


def test_pictures_may_be_wanted_in_another_type() -> None:
    old, new = Scripted(1.0), Scripted(1.0)
    old.inputs, new.inputs = ((Port("x", dtype, (1, 224, 224, 3)),) for dtype in ("float32", "int8"))
    model = living(old)
    model.replace(Version("new", new), LIMITS)
    model.turn()

    assert model.blob == "new"


def test_of_two_versions_that_come_between_two_samples_the_later_counts() -> None:
    model = living(Scripted(1.0))
    model.replace(Version("one", Scripted(2.0)), LIMITS)
    model.replace(Version("two", Scripted(3.0)), LIMITS)

    assert said(model, 1) == [3.0]


def test_real_networks_are_told_apart(tmp_path: Path) -> None:
    same, other = (Version(str(seed), load(litert(tmp_path / f"{seed}.tflite", seed))) for seed in (0, 1))
    for new, verdict in ((same, Verdict.PROMOTE), (other, Verdict.ROLLBACK)):
        model = living(load(tmp_path / "0.tflite"))
        model.offer(new, LIMITS)
        for values in inputs(20):
            model.turn()
            model.run(values)
        model.turn()

        assert verdicts(model) == [(new.blob, verdict)]
