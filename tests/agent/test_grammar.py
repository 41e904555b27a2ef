"""Commands of a grammar: only those, only after a call, and a broken grammar is one line."""

from __future__ import annotations

import builtins
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sensorium_agent.__main__ import main
from sensorium_agent._app.doctor import senses
from sensorium_agent._app.settings import deciding, read
from sensorium_agent.capture.recording import open_recording
from sensorium_agent.infer.sound.grammar import CommandEar, GrammarError, Recognizer, Sentence, jsgf, words_in
from sensorium_agent.infer.sound.voice import BLOCK

HOME = """#JSGF V1.0;
/* what a house does */ grammar home;  // in English
public <command> = turn (on | off) [the] <what> {switch} | /0.5/ stop | hey jarvis;
<what> = light | heating;
"""
RECORDINGS = Path(__file__).parents[1] / "recordings"


@pytest.fixture
def home(tmp_path: Path) -> str:
    (tmp_path / "home.gram").write_text(HOME)
    return str(tmp_path / "home.gram")


def test_a_grammars_words_are_those_one_says() -> None:
    assert words_in(HOME) == ["turn", "on", "off", "the", "stop", "hey", "jarvis", "light", "heating"]


def test_phrases_make_a_grammar() -> None:
    assert words_in(jsgf(["Turn on the light", "don't"])) == ["turn", "on", "the", "light", "don't"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("turn on the light", "not a grammar in JSGF"),
        ("#JSGF V1.0;\ngrammar g;\npublic <a> = (turn;", "not a grammar in JSGF"),
        ("#JSGF V1.0;\ngrammar g;\npublic <a> = turn | Xyzzy;", "not a grammar in JSGF"),
        ("#JSGF V1.0;\ngrammar g;\npublic <a> = turn | xyzzyq;", "nobody knows how to say 'xyzzyq'"),
    ],
)
def test_a_broken_grammar_is_refused_in_one_line(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "bad.gram").write_text(text)

    with pytest.raises(GrammarError, match=reason) as refused:
        Recognizer(str(tmp_path / "bad.gram"))

    assert str(refused.value).startswith(f"{tmp_path}/bad.gram: ")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("coding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_grammar_is_read_as_any_editor_writes_it(tmp_path: Path, coding: str) -> None:
    text = "#JSGF V1.0;\ngrammar g;\npublic <a> = turn;\n"
    (tmp_path / "a.gram").write_text(text, encoding=coding)

    assert jsgf(str(tmp_path / "a.gram")) == text


@pytest.mark.parametrize("wrong", [["turn 5"], ["  "], ["ok", "<what>"]])
def test_a_phrase_is_words(wrong: list[str]) -> None:
    with pytest.raises(GrammarError, match="is no phrase; write words"):
        Recognizer(wrong)


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(GrammarError, match=r"none\.gram: No such file"):
        Recognizer("none.gram")


def test_settings_with_a_broken_grammar_are_wrong_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (good := tmp_path / "good.toml").write_text('[microphone]\ngrammar = ["turn on the light"]\n')
    (bad := tmp_path / "bad.toml").write_text('[microphone]\ngrammar = ["turn 5"]\n')

    assert [main(["validate", str(good)]), main(["validate", str(bad)])] == [0, 2]
    assert capsys.readouterr().err == (
        "sensorium: [microphone] grammar: 'turn 5' is no phrase; write words, and numbers as words\n"
    )


def test_the_doctor_tries_the_grammar() -> None:
    found = senses.grammar(["turn on the light", "turn it xyzzyq"])

    assert (found.name, found.state) == ("Grammar", "fail")
    assert (found.detail, found.way_out) == (
        "[microphone] grammar: nobody knows how to say 'xyzzyq'", "use English words in small letters"
    )  # fmt: skip
    assert senses.grammar(["turn on the light"]).state == "ok"


@pytest.mark.needs_models
def test_a_broken_grammar_is_told_once_however_many_files_are_played(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (bad := tmp_path / "bad.toml").write_text('[microphone]\ngrammar = ["turn 5"]\n')
    sounds = [str(RECORDINGS / name) for name in ("hey_jarvis.wav", "hey_jarvis.wav")]

    assert main(["run", "--config", str(bad), "--jsonl", "--play", *sounds]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_without_the_extra_one_line_says_how_to_come_by_it(monkeypatch: pytest.MonkeyPatch) -> None:
    known = builtins.__import__

    def missing(name: str, *rest: object, **more: object) -> object:
        if name == "pocketsphinx":
            raise ImportError(name)
        return known(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", missing)

    with pytest.raises(GrammarError, match=r"pip install 'sensorium\[grammar\]'"):
        Recognizer(["stop"])


def test_the_recognizer_is_not_loaded_where_nobody_asked_for_it() -> None:
    code = "import sys, sensorium_agent.infer.sound.speech as s; sys.exit('pocketsphinx' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def said(name: str) -> np.ndarray:
    samples = [sample.data for sample in open_recording(RECORDINGS / name).samples()]
    return np.concatenate([sound.pcm for sound in samples])


def test_a_sentence_of_the_grammar_is_heard_and_another_is_not(home: str) -> None:
    recognizer = Recognizer(home)

    sentence = recognizer.hear(said("hey_jarvis.wav"))

    assert sentence is not None
    assert sentence.text == "hey jarvis"
    assert sentence.score > 0.6
    assert recognizer.hear(said("hey_jarvis.wav")) == sentence
    assert recognizer.hear(said("none.wav")) is None
    assert recognizer.hear(np.zeros(16_000, np.int16)) is None


def test_the_settings_take_phrases_or_a_file_and_a_recording_keeps_no_path(tmp_path: Path) -> None:
    for written, kept in (('"/etc/home.gram"', ()), ('["stop it"]', ("stop it",))):
        (tmp_path / "agent.toml").write_text(f"[microphone]\ngrammar = {written}\n")
        settings = read(tmp_path / "agent.toml", {})
        ears = deciding(settings).microphone

        assert settings.microphone is not None
        assert settings.microphone.grammar in {"/etc/home.gram", ("stop it",)}
        assert ears is not None
        assert ears.grammar == kept


# --- what is an utterance --------------------------------------------------------------


class Nobody(Recognizer):
    """Needs no decoder."""

    def __init__(self) -> None:
        pass

    def hear(self, pcm: np.ndarray) -> Sentence | None:
        return None


def cut(ear: CommandEar, speaking: str, awake: str) -> list[tuple[int, int]]:
    pairs = zip(speaking, awake, strict=True)
    found = [ear.block(n, speaking=s == "x", awake=a == "x") for n, (s, a) in enumerate(pairs)]
    return [(begin // BLOCK, end // BLOCK) for begin, end in filter(None, found)]


def test_an_utterance_ends_with_the_voice_and_counts_only_after_a_call() -> None:
    assert cut(CommandEar(Nobody()), ".......xxxxxxxxxx..", "xxxxxxxxxxxxxxxxxxx") == [(1, 18)]
    assert cut(CommandEar(Nobody()), ".......xxxxxxxxxx..", "...................") == []


def test_what_was_said_before_the_call_is_no_command() -> None:
    ear = CommandEar(Nobody())
    for number in range(10):
        ear.block(number, speaking=True, awake=False)
    ear.called(10 * BLOCK)

    assert ear.block(10, speaking=True, awake=True) is None
    assert [ear.block(n, speaking=n < 24, awake=True) for n in range(11, 25)][-1] == (10 * BLOCK, 25 * BLOCK)


def test_who_talks_on_is_cut_off() -> None:
    ear = CommandEar(Nobody())
    cuts = cut(ear, "x" * 400, "x" * 400)

    assert len(cuts) == 2
    assert all(end - begin <= ear.memory // BLOCK + 1 for begin, end in cuts)
