"""Training, exporting and evaluating a fusion of one's own, from a file to its card, in seconds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from models.clips import a_file, some_clips

pytest.importorskip("torch", reason="needs the extra `train`")

from models.build.fusion import dataset as datasets
from models.build.fusion import exam, export, few_shots, jobs, study
from models.build.fusion.__main__ import main
from models.build.fusion.answers import Exported
from models.build.fusion.learn import learn
from models.build.fusion.recipe import Recipe

pytestmark = pytest.mark.filterwarnings("ignore")  # torch's exporter warns about itself


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of three of the four classes, trained for a moment."""
    folder = tmp_path_factory.mktemp("fusion")
    data = a_file(folder)
    few = ("--seeds", "2", "--folds", "2", "--epochs", "8", "--processes", "1", "--novel", "rest")
    assert main(["train", "--data", str(data), "--out", str(folder / "out"), *few]) == 0
    return folder


def test_onnx_says_what_torch_says(folder: Path) -> None:
    clips = datasets.read(folder / "clips.npz").only(("rise", "fall", "swing"))
    pool = study.load_pool(folder / "out")

    assert export.apart_on(pool, clips, folder / "out" / "model.onnx") <= 1e-4


def test_the_card_tells_figures_with_intervals_and_shows_two_pictures(folder: Path) -> None:
    card = json.loads((folder / "out" / "model.json").read_text())

    assert 0.2 < card["temperature"] < 3  # fitted on clips in another order than the file's it is 10
    assert card["names"] == ["rise", "fall", "swing"]
    rows = next(iter(card["figures"].values()))
    told = {row["name"] for row in rows}
    assert {"all senses", "without worn", "3 sigma of noise on camera", "calibration error"} <= told
    assert all(row["low"] <= row["high"] for row in rows)
    assert "reliability.png" in (folder / "out" / "card.md").read_text()
    assert all((folder / "out" / f"{name}.png").stat().st_size > 5000 for name in ("reliability", "robustness"))


def test_a_model_is_measured_on_people_it_never_met_and_taught_what_it_never_saw(folder: Path) -> None:
    other = folder / "other.npz"
    np.savez(other, **(some_clips(people=2, each=8, seed=5) | {"group": np.repeat(["x", "y"], 32)}))
    out = folder / "measured"

    asked = ("--data", str(other), "--model", str(folder / "out"), "--out", str(out), "--shots", "1,5")
    assert main(["evaluate", *asked, "--novel", "rest"]) == 0

    told = json.loads((out / "evaluated.json").read_text())
    assert told["taught"]["new"] == ["rest"]
    assert [taught["shots"] for taught in told["taught"]["shots"]] == [1, 5]
    assert (out / "evaluated-reliability.png").exists()


def test_absent_broken_and_endless_clips_give_answers_that_are_numbers(folder: Path) -> None:
    model = Exported.load(folder / "out")
    clips = datasets.read(folder / "clips.npz").take([0, 1, 2])
    clips.senses["worn"].x[0] = np.nan
    clips.senses["worn"].x[1] = 1e30
    nothing = clips.seen_through(np.zeros((3, 2), bool))

    for shown in (clips, nothing):
        told = model.run(shown)
        assert np.isfinite(told.probabilities(1.0)).all()
        assert np.isfinite(told.disagreement_bits()).all()


def test_the_same_seed_trains_the_same_network(folder: Path) -> None:
    clips = datasets.read(folder / "clips.npz")
    anchors = np.eye(4, 384, dtype=np.float32)
    first, again = (learn(clips, anchors, Recipe(epochs=1), 3, lambda _: None).state_dict() for _ in range(2))

    assert all(bool((first[name] == again[name]).all()) for name in first)


def test_an_interrupted_study_goes_on_where_it_was(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All networks are kept, so the same study trains none of them again."""
    before = json.loads((folder / "out" / "model.json").read_text())
    clips = datasets.read(folder / "clips.npz").only(before["names"])
    plan = study.Plan(seeds=2, folds=2, processes=1, recipe=Recipe(epochs=8))
    monkeypatch.setattr(jobs, "learn", lambda *_: pytest.fail("trained again"))

    found = study.study(clips, plan, folder / "out" / "networks")

    assert {title: exam.as_dicts(rows) for title, rows in found.tables.items()} == before["figures"]


def test_the_file_does_not_tell_where_it_was_made(folder: Path) -> None:
    written = (folder / "out" / "model.onnx").read_bytes()

    assert b"site-packages" not in written
    assert str(Path(export.__file__).parent).encode() not in written


def test_no_class_is_new_twice_while_there_are_others(folder: Path) -> None:
    clips = datasets.read(folder / "clips.npz")

    times = list(few_shots.parts(clips, 2, 2))

    assert sorted(name for fresh in times for name in fresh) == sorted(clips.names)
    assert times == list(few_shots.parts(clips, 2, 2))
