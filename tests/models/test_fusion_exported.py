"""A model that torch trained and exported, where there is no torch: what CI and a board see of it (`small_fusion`)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from models.build.fusion import dataset as datasets
from models.build.fusion.__main__ import main
from models.build.fusion.answers import OUTPUTS, Exported
from models.clips import a_file, some_clips
from models.small_fusion import FOLDER, KNOWN


@pytest.mark.parametrize("how", ["whole", "one"])
def test_onnx_says_what_torch_said(how: str) -> None:
    session = ort.InferenceSession(str(FOLDER / "model.onnx"), providers=["CPUExecutionProvider"])
    with np.load(FOLDER / "said.npz") as said:
        given = {one.name: said[f"given_{how}_{one.name}"] for one in session.get_inputs()}
        told = session.run(list(OUTPUTS), given)

        assert all(np.abs(got - said[f"{how}_{name}"]).max() <= 1e-4 for name, got in zip(OUTPUTS, told, strict=True))


def test_people_it_never_met_are_understood(tmp_path: Path) -> None:
    clips = datasets.read(a_file(tmp_path, **_others())).only(KNOWN)

    told = Exported.load(FOLDER).run(clips)

    assert (told.log_pool.argmax(axis=1) == clips.y).mean() > 0.9


def test_a_file_is_measured_and_a_class_taught_with_the_exported_model_alone(tmp_path: Path) -> None:
    data = a_file(tmp_path, **_others())
    asked = ("--data", str(data), "--model", str(FOLDER), "--out", str(tmp_path / "out"), "--shots", "1,5")

    assert main(["evaluate", *asked, "--novel", "rest"]) == 0

    told = json.loads((tmp_path / "out" / "evaluated.json").read_text())
    figures = {row["name"]: row for row in told["figures"]}
    assert figures["all senses"]["value"] > 0.9
    assert all(row["low"] <= row["value"] <= row["high"] for row in figures.values() if "AUROC" in row["name"])
    assert told["taught"]["new"] == ["rest"]
    assert [taught["shots"] for taught in told["taught"]["shots"]] == [1, 5]


def test_what_is_absent_or_broken_gives_numbers_and_no_reliability(tmp_path: Path) -> None:
    clips = datasets.read(a_file(tmp_path)).only(KNOWN).take([0, 1, 2])
    clips.senses["worn"].x[0] = np.nan
    clips.senses["worn"].x[1] = 1e30

    for shown in (clips, clips.seen_through(np.zeros((3, 2), bool))):
        told = Exported.load(FOLDER).run(shown)
        assert np.isfinite(told.probabilities(1.0)).all()
        assert np.isfinite(told.disagreement_bits()).all()
        assert (told.reliability[~shown.present] == 0).all()


def test_a_width_the_model_does_not_take_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = a_file(tmp_path, x_worn=np.ones((48, 40, 6), np.float32))

    assert main(["evaluate", "--data", str(data), "--model", str(FOLDER), "--out", str(tmp_path / "out")]) == 1
    assert "x_worn has 6 numbers a step; the model takes 3" in capsys.readouterr().err


def _others() -> dict[str, object]:
    arrays = some_clips(people=3, each=8, seed=5)
    return {**arrays, "group": np.repeat(["x", "y", "z"], 32)}
