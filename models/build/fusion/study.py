"""A study: cross-validation by people, then the model of everybody, with the temperature that strangers taught."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from models.build.figures import fit_temperature
from models.build.fusion import exam, leaks, report, words
from models.build.fusion.answers import Answers, pooled
from models.build.fusion.dataset import Bools, Dataset, DatasetError, fingerprint, folds, random_folds
from models.build.fusion.exam import Row, Sitting
from models.build.fusion.export import Pool, answers, member_answers, write
from models.build.fusion.jobs import Job, Lesson, train_all
from models.build.fusion.network import ClipNet, Shape
from models.build.fusion.recipe import Recipe
from models.build.fusion.teach import Space, views

MODEL_FILES: Final = ("model.onnx", "model.json", "space.npz")
_ABOUT: Final = (
    "modalities", "kinds", "clips", "people", "seeds", "split", "parameters", "temperature", "anchors",
)  # fmt: skip
"""What the card for people begins with."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a study is done.

    Attributes:
        seeds: how many networks of each kind; the model is all of them together.
        folds: into how many parts the people are divided.
        by_people: or by clips, which flatters.
        processes: trainings at a time.
    """

    seeds: int = 5
    folds: int = 4
    by_people: bool = True
    processes: int = 2
    recipe: Recipe = field(default_factory=Recipe)


@dataclass(frozen=True, slots=True, eq=False)
class Study:
    """What came of it."""

    pool: Pool
    temperature: float
    tables: Mapping[str, list[Row]]
    sitting: Sitting
    notes: tuple[str, ...]
    anchors_from: str
    space: Space


def study(dataset: Dataset, plan: Plan, kept: Path) -> Study:
    """Cross-validate on ``dataset``, then train on all of it; networks that are done are kept in the folder ``kept``.

    Raises:
        DatasetError: fewer than two people, or fewer than two classes.
    """
    _check(dataset, plan)
    anchors, source = words.anchors(dataset.descriptions)
    notes = list(leaks.warnings(dataset, leaks.probe(dataset, 0)))
    for note in notes:
        print(f"warning: {note}")
    nets = train_all(Lesson(dataset, anchors, plan.recipe, kept), _work(dataset, plan), plan.processes)
    held_out = _held_out(dataset, plan)
    count = len(held_out)
    own = [nets[seed * count : (seed + 1) * count] for seed in range(plan.seeds)]
    single = [_examined(dataset, held_out, [[net] for net in each]) for each in own]
    together = _examined(dataset, held_out, [list(each) for each in zip(*own, strict=True)])
    temperature = _fitted(together)
    pool = Pool(nets[plan.seeds * count :]).eval()
    seen = answers(pool, dataset)
    space = Space.of(seen.features.astype(np.float64), views(seen), dataset.y, len(dataset.names))
    what = "people" if plan.by_people else "clips"
    tables = {
        f"One network, {what} it did not see ({plan.seeds} seeds)": exam.table(single),
        f"All {plan.seeds} together, {what} they did not see": exam.table([together]),
    }
    return Study(pool, temperature, tables, together, tuple(notes), source, space)


def _check(dataset: Dataset, plan: Plan) -> None:
    if len(set(dataset.y.tolist())) < 2:
        raise DatasetError(f"{dataset.source}: has clips of one class only; two are the least")
    if plan.by_people and len(dataset.people) < 2:
        raise DatasetError(f"{dataset.source}: has one person in group; two are the least to say anything of others")


def _held_out(dataset: Dataset, plan: Plan) -> list[Bools]:
    split = folds(dataset.group, plan.folds, 0) if plan.by_people else random_folds(len(dataset), plan.folds, 0)
    return list(split)


def _work(dataset: Dataset, plan: Plan) -> list[Job]:
    held_out = _held_out(dataset, plan)
    everybody = np.ones(len(dataset), bool)
    checked = [Job(~held, seed) for seed in range(plan.seeds) for held in held_out]
    return checked + [Job(everybody, seed) for seed in range(plan.seeds)]


def _examined(dataset: Dataset, held_out: Sequence[Bools], nets: Sequence[Sequence[ClipNet]]) -> Sitting:
    """Each fold by the networks that did not see it; its temperature is fitted on the people of the other folds."""

    def run(members: Sequence[ClipNet], shown: Dataset) -> Answers:
        return pooled([member_answers(net, shown) for net in members])

    parts = [
        exam.sit(partial(run, members), dataset.take(held), 1.0, seed)
        for seed, (held, members) in enumerate(zip(held_out, nets, strict=True))
    ]
    fitted = [_with_temperature(part, [p for p in parts if p is not part]) for part in parts]
    return exam.together(fitted)


def _with_temperature(part: Sitting, others: Sequence[Sitting]) -> Sitting:
    rest = exam.together(others) if others else part
    return Sitting(part.y, part.answers, np.full(len(part.y), _fitted(rest)))


def _fitted(sitting: Sitting) -> float:
    """The temperature for its clips as they are; they lie in the order of the folds, and so does its ``y``."""
    return fit_temperature(sitting.answers["all senses"].log_pool.astype(np.float64), sitting.y, doubts=1)


# --- files -----------------------------------------------------------------------------


def save(found: Study, dataset: Dataset, plan: Plan, out: Path) -> float:
    """Write weights, ONNX, figures, card and pictures to ``out``; how far ONNX is from torch."""
    out.mkdir(parents=True, exist_ok=True)
    _save_weights(found.pool, dataset, plan, out)
    found.space.save(out)
    card = _card(found, dataset, plan)
    (out / "model.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    _show(found, card, out)
    return write(found.pool, dataset, out / "model.onnx")


def _save_weights(pool: Pool, dataset: Dataset, plan: Plan, out: Path) -> None:
    states = [member.state_dict() for member in pool.members]
    kept = {"members": states, "recipe": asdict(plan.recipe), "anchors": states[0]["anchors"]}
    torch.save(kept | {"widths": _widths(dataset), "kinds": _kinds(dataset)}, out / "model.pt")


def _card(found: Study, dataset: Dataset, plan: Plan) -> dict[str, Any]:
    """What model.json says."""
    return {
        "modalities": _widths(dataset),
        "kinds": _kinds(dataset),
        "names": dataset.names,
        "descriptions": dataset.descriptions,
        "temperature": found.temperature,
        "anchors": found.anchors_from,
        "people": dataset.people,
        "clips": len(dataset),
        "seeds": plan.seeds,
        "folds": plan.folds,
        "split": "group" if plan.by_people else "random",
        "data": {"path": str(Path(dataset.source).resolve()), "clips": fingerprint(dataset)},
        "parameters": sum(p.numel() for p in found.pool.parameters()),
        "torch": torch.__version__,
        "figures": {title: exam.as_dicts(rows) for title, rows in found.tables.items()},
        "warnings": found.notes,
    }


def _show(found: Study, card: Mapping[str, Any], out: Path) -> None:
    """The card for people, and its pictures."""
    what, rows = "people not trained on", list(found.tables.values())[-1]
    sure, right = found.sitting.calibrated().max(axis=1), found.sitting.right("all senses")
    report.reliability_picture(out / "reliability.png", sure, right, what)
    report.robustness_picture(out / "robustness.png", rows, what)
    about = {name: card[name] for name in _ABOUT} | {"classes": len(card["names"])}
    report.write_card(out, about, found.tables, found.notes)


def _widths(dataset: Dataset) -> dict[str, int]:
    return {name: sense.x.shape[2] for name, sense in dataset.senses.items()}


def _kinds(dataset: Dataset) -> dict[str, str]:
    return {name: sense.kind for name, sense in dataset.senses.items()}


def load_pool(folder: Path) -> Pool:
    """The networks that `save` wrote."""
    kept: dict[str, Any] = torch.load(folder / "model.pt", weights_only=True)
    recipe, anchors = Recipe(**kept["recipe"]), kept["anchors"]
    shape = Shape(
        kept["widths"], len(anchors), recipe.width, recipe.layers, dropout=recipe.dropout, kinds=kept["kinds"]
    )
    nets = []
    for state in kept["members"]:
        net = ClipNet(shape, anchors)
        net.load_state_dict(state)
        nets.append(net.eval())
    return Pool(nets).eval()


__all__ = ["MODEL_FILES", "Plan", "Study", "load_pool", "save", "study"]
