"""`sensorium teach --modality text`: sentences of a user's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from sensorium import phrases
from sensorium.concepts import Vocabulary, extended, load
from sensorium.event import Modality
from sensorium_agent.__main__ import main
from sensorium_agent.infer import taught

SAID = ("water the garden", "the roses are dry", "start the sprinkler")


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    return tmp_path


def teach(*words: str) -> int:
    return main(["teach", *words])


def vocabulary(state: Path, *, hidden: tuple[Modality, ...] = ()) -> Vocabulary:
    return extended(load(), taught.read(next(state.rglob("taught.json"))).lessons(hidden))


def test_sentences_make_a_concept_that_words_find(state: Path) -> None:
    assert teach("watering", "--modality", "text", "--say", *SAID) == 0

    known = vocabulary(state)
    assert phrases.exact("Please water the garden!", known) == known.index("watering")
    assert not phrases.match("the invoice is still missing", known)


@pytest.mark.parametrize("coding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_file_teaches_a_sentence_a_line(state: Path, capsys: pytest.CaptureFixture[str], coding: str) -> None:
    (state / "lines.txt").write_text("\n".join(SAID) + "\n\n", encoding=coding)

    assert teach("watering", "--modality", "text", "--from", "lines.txt") == 0
    assert "watering\t3 examples\ttext\twatering" in capsys.readouterr().out
    assert set(SAID) <= set(vocabulary(state)["watering"].paraphrases)


def test_what_was_taught_is_forgotten(state: Path) -> None:
    teach("watering", "--modality", "text", "--say", *SAID)

    assert teach("watering", "--forget") == 0
    assert vocabulary(state) == load()


def test_sentences_leave_with_an_export_and_come_with_an_import(state: Path) -> None:
    teach("watering", "--modality", "text", "--say", *SAID, "--export", "mine.json")
    teach("watering", "--forget")

    assert teach("--import", "mine.json") == 0
    assert vocabulary(state)["watering"].paraphrases == SAID


def test_sentences_stay_home_with_their_sense(state: Path) -> None:
    teach("watering", "--modality", "text", "--say", *SAID)

    assert vocabulary(state, hidden=(Modality.TEXT,)) == load()


def test_sentences_join_a_known_concept(state: Path) -> None:
    teach("dusk", "--modality", "text", "--as", "light_on", "--say", "it gets gloomy")

    known = vocabulary(state)
    assert phrases.exact("it gets gloomy", known) == known.index("light_on")


def test_nothing_to_learn_is_said(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert teach("watering", "--modality", "text") == 1
    assert "a sentence a line" in capsys.readouterr().err
    assert teach("watering", "--modality", "text", "--from", "nowhere.txt") == 1
