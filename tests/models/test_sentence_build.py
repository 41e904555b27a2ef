"""How labelled sentences become a vocabulary that is measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from models.build import sentence

TRAIN = [["send money", "transfer"], ["move cash", "transfer"], ["what do I have", "account_balance"]]


def a_file(tmp_path: Path, **splits: Any) -> Path:
    path = tmp_path / "said.json"
    path.write_text(json.dumps(splits))
    return path


def test_what_fits_no_intent_is_kept_apart(tmp_path: Path) -> None:
    path = a_file(tmp_path, train=TRAIN, test=[["pay him", "transfer"]], oos_test=[["cats sleep", "oos"]])

    assert sentence.read_file(path, "test") == (
        [("send money", "transfer"), ("move cash", "transfer"), ("what do I have", "account_balance")],
        [("pay him", "transfer")],
        ["cats sleep"],
    )


@pytest.mark.parametrize(
    "splits", [{}, {"train": TRAIN}, {"train": TRAIN, "test": [["hello", "greet"]]}, {"train": [1]}]
)
def test_a_file_without_what_is_needed_is_refused_in_one_line(tmp_path: Path, splits: dict[str, Any]) -> None:
    with pytest.raises(sentence.NoSentences) as refused:
        sentence.read_file(a_file(tmp_path, **splits), "test")

    assert "said.json" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_intents_become_concepts_with_so_many_examples() -> None:
    train = [(text, intent) for text, intent in TRAIN]

    vocabulary, intents = sentence.vocabulary_of(train, 1, np.random.default_rng(0))

    assert list(intents) == ["account_balance", "transfer"]
    assert [c.description for c in vocabulary] == ["A request about account balance.", "A request about transfer."]
    assert [len(c.paraphrases) for c in vocabulary] == [1, 1]
