"""The network's card and arrays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sensorium import concepts
from sensorium.event import Modality
from sensorium_cloud.network import Inputs, Network, read_card, softmax
from sensorium_cloud.runtime import ModelError

WEIGHTS = Path(__file__).parents[2] / "models" / "weights"
CARD = read_card(WEIGHTS / "fusion.json")


def some_concepts(count: int = 5) -> np.ndarray[Any, np.dtype[np.float32]]:
    rows = np.random.default_rng(0).normal(size=(count, CARD.phrase))
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def some_inputs(windows: int, seed: int = 0) -> Inputs:
    rng = np.random.default_rng(seed)
    inputs = Inputs.zeros(windows, CARD)
    for features in inputs.features:
        features[:] = rng.normal(size=features.shape)
    inputs.phrases[:] = rng.normal(0, CARD.phrase**-0.5, inputs.phrases.shape)
    inputs.facts[:] = rng.random(inputs.facts.shape)
    return inputs


def a_card(tmp_path: Path, **changes: Any) -> Path:
    card = json.loads((WEIGHTS / "fusion.json").read_text())
    path = tmp_path / "fusion.json"
    path.write_text(json.dumps({**card, **changes}))
    return path


def test_the_committed_network_was_made_for_the_default_vocabulary() -> None:
    assert CARD.vocabulary == concepts.load().digest


def test_the_committed_network_was_compared_with_the_one_that_was_trained() -> None:
    assert CARD.about["onnx_against_torch"] < 1e-4
    assert (WEIGHTS / "fusion.onnx").stat().st_size < 5_000_000


def test_answers_are_distributions_for_any_number_of_windows() -> None:
    network = Network(WEIGHTS / "fusion.onnx", CARD, some_concepts())

    for windows in (1, 3, 17):
        out = network.run(some_inputs(windows))
        assert out.posteriors.shape == (windows, 6)
        assert out.posteriors.sum(axis=1) == pytest.approx(1)
        assert out.attention.sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_what_is_masked_is_not_looked_at() -> None:
    network = Network(WEIGHTS / "fusion.onnx", CARD, some_concepts())
    inputs = some_inputs(1)
    kept = np.array([[True, False, True, True, False, True]])

    before = network.run(inputs.masked([0], kept))
    for modality in (1, 4):
        inputs.features[modality][:] = 1e6
    after = network.run(inputs.masked([0], kept))

    assert np.array_equal(before.posteriors, after.posteriors)
    assert before.attention[0, [1, 4]].tolist() == [0, 0]


def test_a_window_without_evidence_still_gives_numbers() -> None:
    out = Network(WEIGHTS / "fusion.onnx", CARD, some_concepts()).run(Inputs.zeros(2, CARD))

    assert np.isfinite(out.posteriors).all()
    assert np.isfinite(out.attention).all()


def test_no_row_depends_on_its_batch_mates() -> None:
    network = Network(WEIGHTS / "fusion.onnx", CARD, some_concepts())
    inputs, loud = some_inputs(2), some_inputs(64)
    everything = np.ones((65, 6), bool)
    for mine, theirs in zip(inputs.features, loud.features, strict=True):
        theirs[:] *= 1e4
        theirs[7] = mine[1]
    loud.phrases[7], loud.facts[7] = inputs.phrases[1], inputs.facts[1]

    alone = network.run(inputs.masked([1], everything[:1])).posteriors[0]
    among = network.run(loud.masked(range(64), everything[:64])).posteriors[7]

    assert among == pytest.approx(alone, abs=1e-5)


def test_softmax_takes_any_size() -> None:
    assert softmax(np.array([[1e9, 0.0], [-1e9, -1e9]])).tolist() == [[1.0, 0.0], [0.5, 0.5]]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"scale": 0}, "scale"),
        ({"temperature": None}, "temperature"),
        ({"dims": {"video": 1280}}, "dims must name video, audio, text, gesture, haptic, biometric, in this order"),
        ({"colour": "blue"}, "colour"),
    ],
)
def test_a_card_that_does_not_fit_is_refused(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ModelError, match=said):
        read_card(a_card(tmp_path, **changes))


def test_a_missing_card_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"fusion\.json: cannot be read \(No such file or directory\); run: "):
        read_card(tmp_path / "fusion.json")


def test_a_card_of_another_network_is_found_at_start(tmp_path: Path) -> None:
    card = read_card(a_card(tmp_path, dims={**CARD.dims, Modality.HAPTIC: 63}))

    with pytest.raises(ModelError, match="not the network its card describes"):
        Network(WEIGHTS / "fusion.onnx", card, some_concepts())
