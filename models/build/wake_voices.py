"""Speaks the wake words, and what sounds like them, with many synthetic voices, to train their second opinion on.

    python models/build/wake_voices.py ENGINE OUT [--packages FOLDER] [--minutes 15] [--seed 1]

ENGINE and FOLDER are keyword_voices.py's. OUT/ENGINE/WORD/SPEAKER-SEED-NUMBER.wav is 16 kHz; WORD is ``near`` for what
is none of them. No lexicon of Kokoro's has all the names: they are added to a copy.
"""

from __future__ import annotations

import argparse
import gzip
import json
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from keyword_voices import ENGINES, write

SAID: Mapping[str, str] = {
    "alexa": "alexa",
    "hey_jarvis": "hey jarvis",
    "hey_mycroft": "hey mycroft",
    "okay_nabu": "okay nabu",
}
NEAR = (
    "a lesson", "election", "alas", "electric", "elect sir", "all of us", "lexicon", "a letter", "relax a bit", "taxi",
    "hey service", "hey there", "hey jar", "hey charming", "harvest", "hey just this", "hey drive us", "they are this",
    "hey microphone", "hey my car", "hey my craft", "my coffee", "hey my friend", "make soft", "make coffee", "micro",
    "medium coffee", "hey mike", "like croft", "hey crowd", "my cough", "minecraft", "hey manager", "hey michael",
    "okay now", "okay boo", "okay never", "okay maybe", "okay enough", "bamboo", "okay new", "nah", "okay",
    "i'll ask her", "hey", "hello", "okay then", "hey you", "go away now", "make it soft", "medium roast", "hey money",
)  # fmt: skip
NAMES: Mapping[str, Mapping[str, str]] = {
    "us": {"alexa": "əlˈɛksə", "jarvis": "ʤˈɑɹvɪs", "mycroft": "mˈIkɹɔft", "nabu": "nˈɑbu"},
    "gb": {"alexa": "əlˈɛksə", "jarvis": "ʤˈɑːvɪs", "mycroft": "mˈIkɹɒft", "nabu": "nˈɑːbuː"},
}
"""Pronunciations in Kokoro's alphabet."""


def with_names(packages: Path) -> Path:
    """A folder like ``packages`` whose lexicons have the names, too."""
    folder = Path(tempfile.mkdtemp())
    for path in packages.resolve().iterdir():
        if path.name != "hibari":
            (folder / path.name).symlink_to(path)
    assets = folder / "hibari/assets"
    assets.mkdir(parents=True)
    for country, names in NAMES.items():
        name = f"lexicon_{country}_gold.json.gz"
        known = json.loads(gzip.decompress((packages / "hibari/assets" / name).read_bytes()))
        (assets / name).write_bytes(gzip.compress(json.dumps({**known, **names}).encode()))
    return folder


def texts(rng: np.random.Generator) -> Iterator[tuple[str, str]]:
    """Each wake word, and one that sounds like one, without end: what it is, and how it is written."""
    while True:
        for index in rng.permutation(len(SAID)):
            yield list(SAID.items())[index]
        yield "near", str(rng.choice(NEAR))


def main() -> None:
    """Speak until the time is over."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("engine", choices=ENGINES)
    parser.add_argument("out", type=Path)
    parser.add_argument("--packages", type=Path, default=Path())
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--most", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    say = ENGINES[options.engine](with_names(options.packages) if options.engine == "kokoro" else options.packages)
    ends = time.monotonic() + 60 * options.minutes
    for number, (word, text) in enumerate(texts(rng)):
        if time.monotonic() > ends or number >= options.most:
            break
        try:
            spoken = say(text, rng)
        except KeyError:  # a word that is in no lexicon
            continue
        name = f"{spoken.speaker}-{options.seed}-{number:05d}.wav"
        write(options.out / options.engine / word / name, spoken.sound)


if __name__ == "__main__":
    main()
