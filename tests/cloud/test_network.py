"""The network's card and arrays."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sensorium import concepts
from sensorium.event import Modality
from sensorium_cloud.fuse.network import Inputs, Network, in_runs, read_card, softmax
from sensorium_cloud.runtime.net import ModelError

WEIGHTS = Path(__file__).parents[2] / "models" / "weights"
CARD = read_card(WEIGHTS / "fusion.json")


def some_concepts(count: int = 5) -> np.ndarray[Any, np.dtype[np.float32]]:
    rows = np.random.default_rng(0).normal(size=(count, CARD.phrase))
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def a_network() -> Network:
    return Network(WEIGHTS / "fusion_senses.onnx", WEIGHTS / "fusion.onnx", CARD, some_concepts())


def some_inputs(windows: int, seed: int = 0, modalities: Sequence[int] = range(6)) -> Inputs:
    """Noise from every modality of every window."""
    rng = np.random.default_rng(seed)
    inputs = Inputs.zeros([(m, w) for m in modalities for w in range(windows)], CARD)
    for features in inputs.features:
        features[:] = rng.normal(size=features.shape)
    inputs.phrases[:] = rng.normal(0, CARD.phrase**-0.5, inputs.phrases.shape)
    inputs.facts[:] = rng.random(inputs.facts.shape)
    return inputs


def whole_windows(windows: int) -> list[list[int]]:
    """Groups of all six modalities, as `some_inputs` places them."""
    return [[m * windows + w for m in range(6)] for w in range(windows)]


def a_card(tmp_path: Path, **changes: Any) -> Path:
    card = json.loads((WEIGHTS / "fusion.json").read_text())
    path = tmp_path / "fusion.json"
    path.write_text(json.dumps({**card, **changes}))
    return path


def test_the_committed_network_was_made_for_the_default_vocabulary() -> None:
    assert CARD.vocabulary == concepts.load().digest


def test_the_committed_network_was_compared_with_the_one_that_was_trained() -> None:
    assert CARD.about["onnx_against_torch"] < 1e-4
    assert sum((WEIGHTS / f"{half}.onnx").stat().st_size for half in ("fusion_senses", "fusion")) < 5_000_000


def test_answers_are_distributions_for_any_number_of_windows_and_modalities() -> None:
    network = a_network()

    for windows in (1, 3, 17):
        told = network.hear(some_inputs(windows))
        for size in range(1, 7):
            out = network.meet(told, [group[:size] for group in whole_windows(windows)])
            assert out.posteriors.shape == (windows, 6)
            assert out.posteriors.sum(axis=1) == pytest.approx(1)
            assert out.attention.shape == (windows, size)
            assert out.attention.sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_what_each_says_alone_is_what_it_says_in_a_group_of_one() -> None:
    network = a_network()
    told = network.hear(some_inputs(3))

    alone, met = network.alone(told), network.meet(told, [[place] for place in range(18)])

    assert alone.posteriors == pytest.approx(met.posteriors, abs=1e-6)
    assert np.array_equal(alone.attention, met.attention)


def test_who_is_left_out_is_not_looked_at() -> None:
    network = a_network()
    inputs = some_inputs(1)
    others = [0, 2, 3, 5]

    before = network.meet(network.hear(inputs), [others])
    for modality in (1, 4):
        inputs.features[modality][:] = 1e6
    after = network.meet(network.hear(inputs), [others])

    assert np.array_equal(before.posteriors, after.posteriors)


def test_a_group_beside_larger_ones_is_padded_and_answers_the_same() -> None:
    network = a_network()
    told = network.hear(some_inputs(2))

    alone, padded = network.meet(told, [[0, 4]]), network.meet(told, [[1, 3, 5, 7, 9], [0, 4]])

    assert padded.posteriors[1] == pytest.approx(alone.posteriors[0], abs=1e-6)
    assert padded.attention[1, 2:].tolist() == [0, 0, 0]


def test_few_groups_are_widened_to_meet_with_wider_ones_and_many_meet_by_themselves() -> None:
    assert in_runs([(3, 3), (9, 2), (4, 2)]) == [(3, [0, 1, 2])]
    assert in_runs([(3, 3), (100, 2)]) == [(3, [0]), (2, [1])]
    assert in_runs([(2, 2), (1, 6), (40, 4), (20, 3)]) == [(6, [1]), (4, [2, 3, 0])]


def test_groups_that_meet_in_one_run_answer_as_by_themselves() -> None:
    network = a_network()
    told = network.hear(some_inputs(4))
    groups = [np.asarray(whole_windows(4)), np.array([[0, 8], [5, 21]]), np.array([[3, 7, 11]])]

    posteriors, attentions = network.meet_alike(told, groups)

    alone = [network.meet(told, group.tolist()) for group in groups]
    assert posteriors == pytest.approx(np.concatenate([each.posteriors for each in alone]), abs=1e-6)
    for ours, theirs in zip(attentions, alone, strict=True):
        assert ours == pytest.approx(theirs.attention, abs=1e-6)


def test_evidence_that_nobody_trusts_still_gives_numbers() -> None:
    network = a_network()
    out = network.meet(network.hear(Inputs.zeros([(0, 0), (3, 0), (3, 1)], CARD)), [[0, 1], [2]])

    assert np.isfinite(out.posteriors).all()
    assert np.isfinite(out.attention).all()


def test_features_lie_in_the_place_of_their_modality() -> None:
    inputs = some_inputs(3, modalities=(1, 4))

    assert [inputs.features_of(place).shape for place in range(6)] == [(4, 256)] * 3 + [(4, 64)] * 3
    inputs.features_of(4)[:] = 7
    assert (inputs.features[4][1] == 7).all()


def test_no_window_depends_on_its_batch_mates() -> None:
    network = a_network()
    inputs, loud = some_inputs(1), some_inputs(64, seed=1)
    for mine, theirs in zip(inputs.features, loud.features, strict=True):
        theirs[:] *= 1e4
        theirs[7] = mine[0]
    places = whole_windows(64)[7]
    loud.phrases[places], loud.facts[places] = inputs.phrases, inputs.facts

    alone = network.meet(network.hear(inputs), whole_windows(1)).posteriors[0]
    among = network.meet(network.hear(loud), whole_windows(64)).posteriors[7]

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
        Network(WEIGHTS / "fusion_senses.onnx", WEIGHTS / "fusion.onnx", card, some_concepts())


def test_the_halves_are_not_taken_for_each_other() -> None:
    with pytest.raises(ModelError, match=r"takes \['tokens', 'anchors', 'trusted'\], where"):
        Network(WEIGHTS / "fusion.onnx", WEIGHTS / "fusion_senses.onnx", CARD, some_concepts())
