"""Measures commands of a grammar: sentences by several synthetic voices, in the grammar and not.

    python models/build/grammar.py FOLDER [--speak]

``--speak`` fills FOLDER with what flite and espeak-ng say (Debian packages of these names), of the grammar and not. The
playing cards that one person reads in pocketsphinx's own tests are asked for, too, if they are here
(`sensorium models fetch-media`).
"""

from __future__ import annotations

import argparse
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from motion import interval
from speech import read

from sensorium_agent.infer.sound.grammar import Recognizer
from sensorium_models import media

IN: Final = (
    "turn on the light", "turn off the light", "turn on the heating", "play some music", "stop the music", "next track",
    "volume up", "volume down", "open the door", "close the window", "set a timer for five minutes",
    "set a timer for ten minutes", "what time is it", "good night", "call my mother",
)  # fmt: skip
OUT: Final = (
    "i think we should go home now", "the weather is nice today", "can you pass me the salt",
    "she bought a new bicycle yesterday", "my brother lives in london", "the train was late again this morning",
    "we had fish for dinner", "he reads the newspaper every day", "turn around and look at me",
    "the music was too loud for me", "i will call you later tonight", "open your book on page nine",
    "what is your favorite color", "the children are playing outside", "it is almost time for lunch",
    "nobody knows the answer", "close to the river there is a house", "five people were waiting",
    "there is a hole in my pocket", "please bring me a glass of water", "i have never been to spain",
    "his voice was very quiet", "good morning everybody", "the light in august is beautiful",
)  # fmt: skip
_VOICES: Final = (
    ("flite", "slt"), ("flite", "rms"), ("flite", "awb"), ("flite", "kal16"),
    ("espeak-ng", "en-us"), ("espeak-ng", "en-gb"), ("espeak-ng", "en-us+f3"), ("espeak-ng", "en-gb-scotland+m3"),
)  # fmt: skip


def speak(folder: Path) -> None:
    """Have every voice say every sentence."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind, sentences in (("in", IN), ("out", OUT)):
        for number, sentence in enumerate(sentences):
            for engine, voice in _VOICES:
                out = str(folder / f"{kind}-{number:02d}-{engine.split('-')[0]}_{voice}.wav")
                flite = ["flite", "-voice", voice, "-t", sentence, "-o", out]
                espeak = ["espeak-ng", "-v", voice, "-s", "150", "-w", out, sentence]
                subprocess.run(flite if engine == "flite" else espeak, check=True, capture_output=True)  # noqa: S603


def heard(folder: Path) -> Iterator[tuple[str, str, str | None, float]]:
    """Of each file the voice, what was said ("" for another sentence), what was heard, and the cost in real time."""
    recognizer = Recognizer(IN)
    for path in sorted(folder.glob("*.wav")):
        kind, number, voice = path.stem.split("-", 2)
        pcm = read(path)
        begin = time.thread_time()
        found = recognizer.hear(pcm)
        cost = (time.thread_time() - begin) / len(pcm) * 16_000
        yield voice, IN[int(number)] if kind == "in" else "", found.text if found else None, cost


def measure(folder: Path) -> None:
    """Print what is heard by voice and in all, and what it costs."""
    found = list(heard(folder))
    for engine in ("flite", "espeak", ""):
        own = [one for one in found if one[0].startswith(engine)]
        said, other = [one for one in own if one[1]], [one for one in own if not one[1]]
        right = sum(truth == text for _, truth, text, _ in said)
        wrong = sum(text not in (None, truth) for _, truth, text, _ in said)
        false = sum(text is not None for *_, text, _ in other)
        print(f"{engine or 'all'}: heard {interval(right, len(said))}, as another {interval(wrong, len(said))}")
        print(f"{engine or 'all'}: sentences of no grammar taken for one {interval(false, len(other))}")
    print(f"{sum(cost for *_, cost in found) / len(found):.3f} of real time")


def cards() -> None:
    """Print how many cards of a person are right, by a grammar of all cards."""
    names = [name for name in media.names() if "cards/" in name]
    truths = _transcribed(media.path(next(name for name in names if name.endswith(".transcription"))).read_text())
    words = sorted({word for truth in truths.values() for word in truth.split()})
    recognizer = Recognizer(sorted(set(truths.values())))
    right = [
        (found := recognizer.hear(read(media.path(name)))) is not None and found.text == truths[Path(name).stem]
        for name in names
        if name.endswith(".wav")
    ]
    print(f"a person's cards ({len(words)} words): heard {interval(sum(right), len(right))}")


def _transcribed(text: str) -> dict[str, str]:
    lines = (re.fullmatch(r"(?:<s>)?\s*(.*?)\s*(?:</s>)?\s*\((\S+)\)", line.strip()) for line in text.splitlines())
    return {Path(line[2]).name: line[1].lower() for line in lines if line}


def main() -> None:
    """Print every figure on a line of its own."""
    parser = argparse.ArgumentParser(description="Measure commands of a grammar.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--speak", action="store_true", help="make the recordings first")
    options = parser.parse_args()
    if options.speak:
        speak(options.folder)
    measure(options.folder)
    cards()


if __name__ == "__main__":
    main()
