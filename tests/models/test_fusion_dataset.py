"""Datasets of recordings: what is taken, what is refused in one line, and what is warned of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from models.build.figures import fit_temperature
from models.build.fusion import dataset as datasets
from models.build.fusion import exam, leaks
from models.build.fusion.__main__ import main
from models.build.fusion.answers import Answers, ModelError
from models.build.fusion.dataset import DatasetError
from models.build.fusion.guess import kind_of
from models.build.fusion.teach import Lessons, Space, choose, prototypes
from models.clips import a_file, some_clips


def test_a_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    found = datasets.read(a_file(tmp_path))

    assert (len(found), found.people, found.names) == (48, ("0", "1", "2", "3"), ("rise", "fall", "swing", "rest"))
    assert {name: sense.x.shape for name, sense in found.senses.items()} == {
        "worn": (48, 40, 3),
        "camera": (48, 24, 4),
    }


def test_lengths_presence_and_descriptions_may_be_left_out(tmp_path: Path) -> None:
    found = datasets.read(a_file(tmp_path, len_worn=None, descriptions=None))

    assert (found.senses["worn"].steps == 40).all()
    assert found.present.all()
    assert found.descriptions == found.names


def test_the_files_of_a_folder_are_one_dataset(tmp_path: Path) -> None:
    a_file(tmp_path, "a.npz")
    a_file(tmp_path, "b.npz", group=np.full(48, 9))

    assert datasets.read(tmp_path).people == ("0", "1", "2", "3", "9")


BROKEN = np.full((48, 40, 3), np.nan, np.float32)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"y": None}, "y is not there"),
        ({"group": None}, "group is not there"),
        ({"x_worn": np.zeros((48, 40))}, r"x_worn is float64 \[48, 40\]; numbers \[48, T, D\] are needed"),
        ({"x_worn": BROKEN}, "x_worn is not finite in 48 clips, first in 0"),
        ({"len_worn": np.full(48, 41)}, "len_worn goes from 41 to 41; 0 to 40 is possible"),
        ({"y": np.full(48, 4)}, "y goes from 4 to 4; 0 to 3 is possible"),
        ({"names": np.array(["a", "a", "b", "c"])}, "names has a name twice"),
        ({"descriptions": np.array(["one"])}, "descriptions has 1 entries for 4 names"),
        ({"present_worn": np.zeros(48, bool), "present_camera": np.zeros(48, bool)}, "without any modality"),
        ({"kind_worn": np.array("skeleton")}, "x_worn cannot be of kind 'skeleton'; there are points"),
        ({"kind_camera": np.array("points")}, "x_camera has 4 numbers a step; points come in 3s"),
        ({"y": np.array([object()])}, "not a readable npz file of plain arrays"),
    ],
)
def test_a_bad_array_is_named_in_one_line(tmp_path: Path, changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(DatasetError, match=complaint) as found:
        datasets.read(a_file(tmp_path, **changes))

    assert "\n" not in str(found.value)


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 cut"])
def test_what_is_no_npz_is_one_line_and_exit_code_1(
    tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.npz").write_bytes(content)

    assert main(["train", "--data", str(tmp_path / "bad.npz"), "--out", str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_no_model_is_one_line_and_exit_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = a_file(tmp_path)

    assert main(["evaluate", "--data", str(data), "--out", str(tmp_path)]) == 1
    assert "has no model.json" in capsys.readouterr().err


# --- kinds of numbers ------------------------------------------------------------------


def a_walker(clips: int = 12, steps: int = 30) -> np.ndarray:
    """A chain of 8 points in space, 1 long each, that swings about as it goes."""
    rng = np.random.default_rng(0)
    angles = rng.normal(0, 0.4, (clips, steps, 7, 2)).cumsum(axis=1)
    ways = np.stack([np.cos(angles[..., 0]), np.sin(angles[..., 0]), np.sin(angles[..., 1])], axis=-1)
    ways /= np.linalg.norm(ways, axis=-1, keepdims=True)
    at = np.concatenate([np.zeros((clips, steps, 1, 3)), ways.cumsum(axis=2)], axis=2)
    return (at + rng.normal(0, 1, (clips, steps, 1, 3)).cumsum(axis=1)).reshape(clips, steps, 24).astype(np.float32)


@pytest.mark.parametrize(
    ("x", "kind"),
    [
        (a_walker(), "points"),
        (np.random.default_rng(0).normal(size=(12, 30, 24)), "features"),
        (np.random.default_rng(0).normal(0, 0.1, (12, 30, 24)) + np.arange(24), "features"),
        (np.random.default_rng(0).normal(size=(12, 30, 384)), "features"),
        (np.random.default_rng(0).normal(size=(12, 30, 6)), "inertial"),
        (np.random.default_rng(0).normal(size=(12, 30, 5)), "features"),
        (np.zeros((12, 30, 24)), "features"),
    ],
)
def test_what_numbers_are_is_guessed(x: np.ndarray, kind: str) -> None:
    assert kind_of(x.astype(np.float32), np.ones(x.shape[:2], bool)) == kind


def test_what_numbers_are_can_be_stated_in_the_file_or_on_the_command_line(tmp_path: Path) -> None:
    found = datasets.read(a_file(tmp_path, kind_camera=np.array("points2d")))

    assert {name: sense.kind for name, sense in found.senses.items()} == {"worn": "inertial", "camera": "points2d"}
    assert found.of_kinds({"worn": "features"}).senses["worn"].kind == "features"
    with pytest.raises(DatasetError, match="has no modality 'skin'; it has worn, camera"):
        found.of_kinds({"skin": "features"})


@pytest.mark.parametrize("told", ["worn", "worn=skeleton", "=points"])
def test_a_kind_there_is_not_is_a_wrong_command_line(told: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["train", "--data", "clips.npz", "--out", "out", "--kinds", told])

    assert ended.value.code == 2
    assert "kinds are points, points2d, inertial, features" in capsys.readouterr().err


# --- people ----------------------------------------------------------------------------


def test_everybody_is_held_out_once_and_whole() -> None:
    group = np.repeat([str(p) for p in range(7)], 5)

    held = np.stack(list(datasets.folds(group, 3, 0)))

    assert (held.sum(axis=0) == 1).all()
    assert all(len(set(group[one]) & set(group[~one])) == 0 for one in held)


def test_a_clip_under_two_people_is_warned_of(tmp_path: Path) -> None:
    x = some_clips()["x_worn"]
    x[13] = x[1]
    steps = some_clips()["len_worn"]
    steps[13] = steps[1]

    (warned,) = leaks.warnings(datasets.read(a_file(tmp_path, x_worn=x, len_worn=steps)), [])

    assert warned == "worn: 2 clips are the same under different people, first clips [1, 13]; remove them"


def test_features_that_tell_who_it_is_are_warned_of(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    arrays = some_clips(people=6)
    cell = arrays["group"] * 4 + arrays["y"]
    told = np.repeat(rng.normal(size=(24, 1, 8))[cell], 5, axis=1) + rng.normal(0, 0.1, (72, 5, 8))
    own = {name: arrays[name] for name in ("y", "group", "names")}
    file = tmp_path / "told.npz"
    np.savez(file, x_told=told.astype(np.float32), **own)
    found = datasets.read(file)

    (probe,) = leaks.probe(found, 0)

    assert probe.flattered > 0.4
    assert "believe only figures by people" in next(leaks.warnings(found, [probe]))


def test_honest_clips_are_not_warned_of(tmp_path: Path) -> None:
    found = datasets.read(a_file(tmp_path))

    assert list(leaks.warnings(found, leaks.probe(found, 0))) == []


# --- the exam --------------------------------------------------------------------------


def test_each_condition_shows_what_its_name_says(tmp_path: Path) -> None:
    found = datasets.read(a_file(tmp_path))
    shown = dict(exam.conditions(found, 0))

    assert not shown["without worn"].present[:, 0].any()
    assert shown["worn alone"].present.tolist() == [[True, False]] * 48
    assert shown["random halves missing"].present.any(axis=1).all()
    noise = shown["3 sigma of noise on worn"].senses["worn"].x - found.senses["worn"].x
    real = np.arange(40)[None, :] < found.senses["worn"].steps[:, None]
    assert noise[real].std() == pytest.approx(3 * found.senses["worn"].x[real].std(axis=0).mean(), rel=0.1)
    assert not noise[~real].any()


def test_a_wrong_pairing_takes_one_modality_from_another_class(tmp_path: Path) -> None:
    found = datasets.read(a_file(tmp_path))

    wrong = exam.mispaired(found, np.random.default_rng(0))

    changed = np.stack([(s.x != found.senses[m].x).any(axis=(1, 2)) for m, s in wrong.senses.items()], axis=1)
    assert (changed.sum(axis=1) == 1).all()


def test_few_answers_that_are_all_right_make_no_certainty() -> None:
    logits = np.log(np.full((20, 3), 0.1) + 0.7 * np.eye(3)[np.arange(20) % 3])
    y = np.arange(20) % 3

    assert fit_temperature(logits, y) < 0.11
    assert 0.5 < fit_temperature(logits, y, doubts=1) < 1


def test_a_sense_that_is_sure_of_another_class_conflicts_and_an_unsure_one_does_not() -> None:
    sure, unsure = [0.98, 0.01, 0.01], [0.34, 0.33, 0.33]
    cases = [[sure, sure, sure], [sure, sure, unsure], [sure, sure, sure[::-1]], [sure, sure[::-1], sure]]
    there = np.array([[1, 1, 1]] * 4 + [[1, 0, 0], [1, 1, 0], [1, 0, 1]], np.float32)
    alone = np.log(np.array([*cases, cases[2], cases[2], cases[2]], np.float32))
    none = np.zeros((7, 1), np.float32)

    conflict = Answers(none, alone, there, there, none[:, 0], none, none).conflict()

    agreeing, unsure_one, wrong, other, lonely, right_two, wrong_two = conflict
    assert agreeing < 0.01
    assert unsure_one < 1 < wrong
    assert other == pytest.approx(wrong)
    assert lonely == 0
    assert right_two < 0.01
    assert wrong_two > 1


# --- teaching --------------------------------------------------------------------------


def test_a_taught_class_is_found_and_old_ones_keep_their_answer() -> None:
    rng = np.random.default_rng(0)
    centres = rng.normal(0, 5, (4, 8))
    features = (np.repeat(centres, 20, axis=0) + rng.normal(size=(80, 8))).reshape(80, 2, 4)
    y = np.repeat(np.arange(4), 20)
    known = y < 3
    there = np.ones((80, 2), bool)
    space = Space.of(features[known], there[known], y[known], 3)
    log_pool = np.where(np.arange(3) == np.minimum(y, 2)[:, None], -0.1, -3.0).astype(np.float32)
    none = np.zeros((80, 1), np.float32)
    one = np.ones((80, 1), np.float32)
    answers = Answers(log_pool, none[:, :, None], one, one, none[:, 0], features.astype(np.float32), none)
    taught = prototypes(space.place(features), there, [np.arange(60, 65)])

    chosen = choose(answers, space, taught, examples=5)

    assert (chosen == y).mean() > 0.97


def test_a_view_that_a_clip_or_a_class_lacks_says_nothing_of_it() -> None:
    rng = np.random.default_rng(1)
    features = rng.normal(size=(40, 2, 3)) + np.repeat([0.0, 8.0], 20)[:, None, None]
    there = np.ones((40, 2), bool)
    there[:20, 1] = False
    space = Space.of(features, there, np.repeat([0, 1], 20), 2)
    white = space.place(features)

    strange = space.strange(white, there, space.means)

    assert np.isnan(space.means[1, 0]).all()
    assert np.isfinite(strange).all()
    assert (strange.argmin(axis=1) == np.repeat([0, 1], 20)).all()
    assert np.isnan(prototypes(white, there, [np.arange(3)])[1]).all()


def test_one_sense_that_lies_does_not_rule_a_class_out() -> None:
    rng = np.random.default_rng(2)
    features = rng.normal(size=(40, 3, 4)) + np.repeat([0.0, 6.0], 20)[:, None, None]
    there = np.ones((40, 3), bool)
    space = Space.of(features, there, np.repeat([0, 1], 20), 2)
    lying = features[:20].copy()
    lying[:, 2] += 1000

    strange = space.strange(space.place(lying), there[:20], space.means)

    assert (strange.argmin(axis=1) == 0).all()


def test_a_space_of_another_version_is_one_line(tmp_path: Path) -> None:
    np.savez(tmp_path / "space.npz", means=np.ones((3, 8)), center=np.ones(8), whiten=np.eye(8), usual=1.0)

    with pytest.raises(ModelError, match="older version; train it again"):
        Space.load(tmp_path)
    with pytest.raises(ModelError, match="train it again"):
        Space.load(tmp_path / "nowhere")


def test_only_the_clips_of_people_left_out_are_asked_about(tmp_path: Path) -> None:
    clips = datasets.read(a_file(tmp_path))
    rng = np.random.default_rng(3)
    count, known = len(clips), clips.names[:3]
    features = (rng.normal(size=(count, 2, 4)) + 20 * clips.y[:, None, None]).astype(np.float32)
    log_pool = np.where(np.arange(3) == np.minimum(clips.y, 2)[:, None], -0.1, -3.0).astype(np.float32)
    none, one = np.zeros((count, 1), np.float32), np.ones((count, 1), np.float32)
    answers = Answers(log_pool, none[:, :, None], one, one, none[:, 0], features, none)
    seen = clips.y < 3
    space = Space.of(features[seen].astype(np.float64), np.ones((int(seen.sum()), 2), bool), clips.y[seen], 3)
    asked = clips.group == clips.people[0]

    lessons = Lessons.of(answers, clips, space, known, asked)
    found = lessons.few_shot(2)

    assert lessons.new == clips.names[3:]
    assert found is not None
    assert found.new[0] == found.old[0] == found.old_before == 1
    assert found.new[1] < 0.9  # an interval over the few that were asked about
    assert lessons.unknown(1.0)[0] == 1
