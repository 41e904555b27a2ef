"""Signs taught from the command line, with hands that nobody trained on, by the space that ships."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from sensorium_agent.__main__ import main
from sensorium_agent.infer.prototypes import read_space
from sensorium_agent.infer.runtime.model import load

BUILD = Path(__file__).parents[2] / "models" / "build"
sys.path.insert(0, str(BUILD))

import hand_model  # noqa: E402
import teach  # noqa: E402
from hand_model import Finger, Pose, Thumb  # noqa: E402

pytestmark = pytest.mark.needs_models

S, C = Finger.STRAIGHT, Finger.CURLED
LOVE = Pose("none", ((S,), (C,), (C,), (S,)), (Thumb.OUT,))
PISTOL = Pose("none", ((S,), (S,), (C,), (C,)), (Thumb.OUT,), (-4, 0))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    for name, pose, count in (("love", LOVE, 5), ("more_love", LOVE, 40), ("pistol", PISTOL, 40)):
        joints, right = hand_model.seen(pose, count, np.random.default_rng(count + len(name)))
        np.savez(tmp_path / f"{name}.npz", x=joints, right=right)
    people = hand_model.generate(400, np.random.default_rng(5))
    np.savez(tmp_path / "people.npz", x=people.joints, right=people.right)
    return tmp_path


def seen(file: Path, capsys: pytest.CaptureFixture[str]) -> list[str | None]:
    capsys.readouterr()
    assert main(["see", str(file)]) == 0
    return [json.loads(line)["label"] for line in capsys.readouterr().out.splitlines()]


def test_five_hands_teach_a_sign_and_leave_the_others_what_they_were(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = seen(home / "people.npz", capsys)

    assert main(["teach", "love", "--modality", "gesture", "--from", str(home / "love.npz")]) == 0
    assert capsys.readouterr().out == "love\t5 examples\tgesture\tlove\n"

    assert seen(home / "more_love.npz", capsys).count("love") >= 28
    assert seen(home / "pistol.npz", capsys).count("love") <= 2
    after = seen(home / "people.npz", capsys)
    named = [(b, a) for b, a in zip(before, after, strict=True) if b is not None]
    assert sum(b != a for b, a in named) / len(named) < 0.01


def test_what_was_exported_is_known_elsewhere_and_forgotten_where_it_is_not_wanted(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    main(["teach", "love", "--modality", "gesture", "--from", str(home / "love.npz"), "--as", "approve"])
    assert main(["teach", "--export", str(home / "all.json")]) == 0
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "elsewhere"))

    assert main(["teach", "--import", str(home / "all.json")]) == 0

    assert capsys.readouterr().out.splitlines()[-1] == "love\t5 examples\tgesture\tapprove"
    assert "love" in seen(home / "more_love.npz", capsys)
    assert main(["teach", "love", "--forget"]) == 0
    assert "love" not in seen(home / "more_love.npz", capsys)


def test_a_sign_that_cannot_be_told_from_a_built_in_one_is_said_to_be(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flat = [pose for pose in hand_model.POSES if pose.label == "open_palm"]
    joints = np.concatenate([hand_model.seen(pose, 4, np.random.default_rng(1))[0] for pose in flat])
    np.savez(home / "flat.npz", x=joints)

    assert main(["teach", "halt_there", "--modality", "gesture", "--from", str(home / "flat.npz")]) == 0

    assert "of its examples are not told from open_palm" in capsys.readouterr().err


def test_the_space_that_ships_teaches_as_the_card_says() -> None:
    space = read_space(BUILD.parent / "weights" / "gesture_space.npz")
    people = hand_model.generate(2000, np.random.default_rng(11))
    classifier = load(BUILD.parent / "weights" / "gesture_classifier.tflite")
    truth = np.array(hand_model.LABELS)[people.labels]
    hands = teach.shown(people.joints, truth, classifier, np.random.default_rng(0))

    draws = [teach.draw(space, hands, 5, np.random.default_rng(seed))[0] for seed in range(6)]

    assert np.mean([d.new for d in draws]) > 0.6
    assert np.mean([d.lost for d in draws]) < 0.01
    assert np.mean([d.auroc for d in draws]) > 0.94
