"""The steps of the command line: read, do, say."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from models.build.fusion import dataset as datasets
from models.build.fusion import exam, report
from models.build.fusion.answers import Exported, ModelError
from models.build.fusion.dataset import Dataset, DatasetError
from models.build.fusion.teach import Lessons, Space

if TYPE_CHECKING:
    from models.build.fusion.study import Plan

_FLATTERED = 0.15


def settings(args: argparse.Namespace) -> Plan:
    """The plan the command line asks for."""
    from models.build.fusion.recipe import Recipe
    from models.build.fusion.study import Plan

    recipe = replace(Recipe(), epochs=args.epochs) if args.epochs else Recipe()
    return Plan(args.seeds, args.folds, args.split == "group", args.processes, recipe)


def train(
    data: Path, out: Path, plan: Plan, *, novel: Sequence[str] = (), kinds: Mapping[str, str] | None = None
) -> None:
    """Cross-validate, train on everybody, calibrate, export, and write the card."""
    training, test = _parts(data)
    dataset = _without(training, novel).of_kinds(kinds or {})
    print(f"{dataset.source}: {len(dataset)} clips of {len(dataset.people)} people, {len(dataset.names)} classes")
    print("  " + ", ".join(f"{name}: {sense.kind}" for name, sense in dataset.senses.items()))
    if not plan.by_people:
        print("warning: --split random puts clips of one person on both sides; its figures flatter")
    from models.build.fusion import study

    found = study.study(dataset, plan, out / "networks")
    apart = study.save(found, dataset, plan, out)
    for title, rows in found.tables.items():
        print(f"\n{title}")
        for row in rows:
            print(f"  {row.line()}")
    print(f"\ntemperature {found.temperature:.3f}; ONNX Runtime and torch differ by at most {apart:.1e}")
    print(f"{out}: model.onnx, model.json, card.md, reliability.png, robustness.png")
    if test is not None:
        rows = evaluate(test, out, out)
        _compare(rows, list(found.tables.values())[-1])


def evaluate(
    data: Path, model: Path, out: Path, *, shots: Sequence[int] = (), novel: Sequence[str] = ()
) -> list[exam.Row]:
    """Run an exported model on a dataset: the classes it knows, and those it can be taught."""
    dataset = datasets.read(data)
    exported = Exported.load(_left_out(model, novel))
    known = [name for name in exported.names if name in dataset.names]
    out.mkdir(parents=True, exist_ok=True)
    told: dict[str, Any] = {"data": str(data)}
    rows: list[exam.Row] = []
    if known:
        rows = _known(dataset, exported, known, out)
        told["figures"] = exam.as_dicts(rows)
    else:
        print(f"{data}: has no class the model knows")
    if shots or novel:
        told["taught"] = _teach(dataset, exported, shots or (1, 5))
    (out / "evaluated.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    return rows


def export(data: Path, out: Path) -> None:
    """Write model.onnx anew from the weights, and compare both on the dataset."""
    dataset = _parts(data)[0]
    from models.build.fusion import study
    from models.build.fusion.export import write

    if not (out / "model.pt").is_file():
        raise ModelError(f"{out}: has no model.pt; make one: python -m models.build.fusion train")
    apart = write(study.load_pool(out), dataset, out / "model.onnx")
    print(f"{out / 'model.onnx'}: ONNX Runtime and torch differ by at most {apart:.1e}")


# --- parts -----------------------------------------------------------------------------


def _parts(data: Path) -> tuple[Dataset, Path | None]:
    """What is trained on, and what is tested on if the folder has a test.npz."""
    if (data / "train.npz").is_file():
        test = data / "test.npz"
        return datasets.read(data / "train.npz"), test if test.is_file() else None
    return datasets.read(data), None


def _without(dataset: Dataset, novel: Sequence[str]) -> Dataset:
    unknown = [name for name in novel if name not in dataset.names]
    if unknown:
        raise DatasetError(f"{dataset.source}: has no class {unknown[0]!r}; it has {', '.join(dataset.names)}")
    return dataset.only([name for name in dataset.names if name not in novel]) if novel else dataset


def _left_out(model: Path, novel: Sequence[str]) -> Path:
    """A model that never saw the ``novel`` classes: the one asked for, or one trained for this and kept beside it."""
    card = Exported.load(model).card
    seen = [name for name in novel if name in card["names"]]
    if not seen:
        return model
    kept = model / ("without-" + "-".join(name.replace(" ", "_") for name in seen))[:100]
    if not (kept / "model.onnx").is_file():
        source = Path(card["data"]["path"])
        if not source.exists():
            raise ModelError(f"{model}: was trained on {seen[0]!r}, and {source} is gone; train with --novel")
        print(f"{model} was trained on {', '.join(seen)}: training one without, kept in {kept}")
        from models.build.fusion.study import Plan

        train(source, kept, Plan(seeds=card["seeds"], folds=card["folds"]), novel=novel, kinds=card["kinds"])
    return kept


def _known(dataset: Dataset, exported: Exported, known: Sequence[str], out: Path) -> list[exam.Row]:
    own = dataset.only(known)
    places = np.array([exported.names.index(name) for name in known])
    own = replace(own, y=places[own.y].astype(np.int64), names=exported.names, descriptions=exported.names)
    sitting = exam.sit(exported.run, own, exported.card["temperature"])
    rows = exam.table([sitting])
    print(f"{dataset.source}: {len(own)} clips of {len(own.people)} people, {len(known)} known classes")
    for row in rows:
        print(f"  {row.line()}")
    shared = sorted(set(own.people) & set(exported.card["people"]))
    if shared:
        print(
            f"warning: {', '.join(shared)} may have been trained on; figures are of strangers only if these are others"
        )
    _draw(sitting, rows, out, Path(dataset.source).name)
    return rows


def _draw(sitting: exam.Sitting, rows: Sequence[exam.Row], out: Path, title: str) -> None:
    """The two pictures, where there is something to draw with: the figures do not need it."""
    right, sure = sitting.right("all senses"), sitting.calibrated().max(axis=1)
    try:
        report.reliability_picture(out / "evaluated-reliability.png", sure, right, title)
        report.robustness_picture(out / "evaluated-robustness.png", rows, title)
    except ModuleNotFoundError as error:
        print(f"no pictures: {error.name} is not installed; pip install 'sensorium[train]'")


def _teach(dataset: Dataset, exported: Exported, shots: Sequence[int]) -> dict[str, Any]:
    new = [name for name in dataset.names if name not in exported.names]
    if not new:
        raise DatasetError(f"{dataset.source}: has no class the model does not know; name some with --novel")
    lessons = Lessons.of(exported.run(dataset), dataset, Space.load(exported.folder), exported.names)
    print(f"{len(new)} new classes: {', '.join(new)}")
    told: dict[str, Any] = {"new": new}
    if not lessons.strangers.all():
        auroc, low, high = told["unknown_auroc"] = lessons.unknown(exported.card["temperature"])
        print(f"  told from the known before any teaching, AUROC {auroc:.3f} [{low:.3f}, {high:.3f}]")
    taught = [lessons.few_shot(count) for count in shots]
    for count, found in zip(shots, taught, strict=True):
        print(f"  {found.line()}" if found else f"  {count:>2} examples: a new class has no more clips than that")
    return told | {"shots": [asdict(t) for t in taught if t]}


def _compare(tested: Sequence[exam.Row], validated: Sequence[exam.Row]) -> None:
    """Cross-validation that promises much more than the test keeps is a leak too."""
    if tested and validated[0].value - tested[0].value > _FLATTERED:
        promised, kept = validated[0].value, tested[0].value
        print(f"warning: cross-validation says {promised:.2f}, the test {kept:.2f}: the training clips tell too much")
