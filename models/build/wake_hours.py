"""How often is a wake word heard that nobody said? Hours of people's recordings, and hours read by synthetic voices.

    python models/build/wake_hours.py read ENGINE --hours 2 --out HOURS.jsonl [--text FILE ...] [--packages FOLDER]
    python models/build/wake_hours.py people FOLDER ... --out HOURS.jsonl
    python models/build/wake_hours.py total HOURS.jsonl ...

ENGINE is one of keyword_voices.py's. It reads FILEs, or words and sentences of our own in any order, in rooms, beside
noise, and never stops: a microphone that stays on. People's WAV files are one recording too, a second apart. Each run
appends what it heard to HOURS.jsonl, so that many short runs make one long one; ``total`` adds them up.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from keyword_sounds import coloured, room
from keyword_voices import ENGINES
from keyword_words import KEYWORDS, NEAR, OTHER_WORDS, SENTENCES
from scipy.signal import fftconvolve
from speech import poisson_upper, read

from sensorium_agent.infer.lanes import WAKE_WORDS
from sensorium_agent.infer.model import load
from sensorium_agent.infer.wake_word import WakeWords
from sensorium_models import store

RATE_HZ = 16_000
RUN = 16_000
"""Samples fed at once: what is heard does not depend on it."""
CALLED = re.compile(r"\b(alexa|jarvis|mycroft|nabu)\b", re.IGNORECASE)
WORDS_AT_ONCE = 30
_WHOLE = 1 << 18
Pcm = npt.NDArray[np.int16]
Sound = npt.NDArray[np.float32]


# --- what is read --------------------------------------------------------------------------


def passages(texts: Sequence[str], rng: np.random.Generator) -> Iterator[str]:
    """Some thirty words at a time, without a wake word: of the texts from some place on, or of our own."""
    words = [text.split() for text in texts]
    ours = [word for word in (*KEYWORDS, *NEAR, *OTHER_WORDS) if not CALLED.search(word)]
    said = [sentence for sentence in SENTENCES if not CALLED.search(sentence)]
    while True:
        if words:
            text = words[rng.integers(len(words))]
            begin = int(rng.integers(max(len(text) - WORDS_AT_ONCE, 1)))
            passage = " ".join(text[begin : begin + WORDS_AT_ONCE])
        else:
            passage = " ".join([*rng.choice(ours, WORDS_AT_ONCE // 2), *rng.choice(said, 2)])
        if not CALLED.search(passage):
            yield passage


def plain(text: str) -> str:
    """Words and stops only: what every engine can read."""
    return " ".join(re.findall(r"[A-Za-z]+(?:'[a-z]+)?[.,;?!]?", text))


def in_a_room(sound: Sound, rng: np.random.Generator) -> Pcm:
    """As a microphone in a room hears it: often an echo, always some noise, near or far; then a pause."""
    padded = np.concatenate([sound, np.zeros(round(rng.uniform(0.3, 1.2) * RATE_HZ), np.float32)])
    if rng.random() < 0.5:
        padded = fftconvolve(padded, room(rng))[: len(padded)].astype(np.float32)
    loud = float(np.sqrt(np.quantile(padded**2, 0.9))) + 1e-9
    noise = np.resize(coloured(rng, _WHOLE), len(padded))
    noise /= float(noise.std()) + 1e-9
    mixed = padded / loud + noise * 10 ** (-rng.uniform(10, 45) / 20)
    peak = 10 ** (rng.uniform(-26, -3) / 20) / float(np.abs(mixed).max())
    return np.asarray(np.rint(mixed * peak * 32767), np.int16)


def reading(options: argparse.Namespace) -> Iterator[Pcm]:
    """What an engine reads, without end."""
    rng = np.random.default_rng(options.seed)
    say = ENGINES[options.engine](options.packages)
    texts = [plain(path.read_text(errors="ignore")) for path in options.text]
    for passage in passages(texts, rng):
        try:
            yield in_a_room(say(passage, rng).sound, rng)
        except KeyError:  # a word that is in no lexicon
            continue


# --- what is heard -------------------------------------------------------------------------


def listen(sounds: Iterable[Pcm], pause_s: float = 0.0) -> tuple[float, Counter[str]]:
    """Seconds of the sounds, fed as one recording, and how often which wake word was heard in them."""
    words = WakeWords({name: load(store.path(name)) for name in WAKE_WORDS})
    heard, samples, pause = Counter[str](), 0, np.zeros(round(pause_s * RATE_HZ), np.int16)
    for sound in sounds:
        samples += len(sound)
        whole = np.concatenate([sound, pause])
        for begin in range(0, len(whole), RUN):
            heard.update(found.word for found in words.feed(whole[begin : begin + RUN]))
    return samples / RATE_HZ, heard


def until(sounds: Iterator[Pcm], hours: float) -> Iterator[Pcm]:
    """The first hours of them."""
    left = hours * 3600 * RATE_HZ
    for sound in sounds:
        if left <= 0:
            return
        left -= len(sound)
        yield sound


def keep(out: Path, kind: str, source: str, seconds: float, heard: Counter[str]) -> None:
    """One line of JSON."""
    with out.open("a") as file:
        file.write(json.dumps({"kind": kind, "source": source, "seconds": round(seconds), "heard": heard}) + "\n")


def rates(lines: Iterable[dict[str, Any]]) -> Iterator[str]:
    """For each kind of voice, and for all: hours, false wakes, and how many an hour there may be (Poisson, 95 %)."""
    seconds, heard = defaultdict[str, float](float), defaultdict[str, Counter[str]](Counter)
    for line in lines:
        for kind in (f"{line['kind']}: {line['source']}", line["kind"], "all"):
            seconds[kind] += line["seconds"]
            heard[kind].update(line["heard"])
    for kind in sorted(seconds):
        hours, false = seconds[kind] / 3600, heard[kind].total()
        words = ", ".join(f"{word} {count}" for word, count in heard[kind].most_common())
        rate = f"{false / hours:.2f} an hour, at most {poisson_upper(false) / hours:.2f}"
        yield f"{kind}: {hours:.2f} h, {false} false wakes ({words or 'none'}), {rate}"


def main() -> None:
    """Read aloud, play recordings, or add up."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    aloud = verbs.add_parser("read")
    aloud.add_argument("engine", choices=ENGINES)
    aloud.add_argument("--hours", type=float, default=1.0)
    aloud.add_argument("--text", type=Path, nargs="*", default=[])
    aloud.add_argument("--packages", type=Path, default=Path(), help="as keyword_voices.py wants them")
    aloud.add_argument("--seed", type=int, default=1)
    people = verbs.add_parser("people")
    people.add_argument("folders", type=Path, nargs="+")
    for verb in (aloud, people):
        verb.add_argument("--out", type=Path, required=True)
    verbs.add_parser("total").add_argument("files", type=Path, nargs="+")
    options = parser.parse_args()
    if options.verb == "read":
        keep(options.out, "synthetic", options.engine, *listen(until(reading(options), options.hours)))
    elif options.verb == "people":
        for folder in options.folders:
            keep(options.out, "people", folder.name, *listen(map(read, sorted(folder.rglob("*.wav"))), pause_s=1.0))
    else:
        print(*rates(json.loads(line) for path in options.files for line in path.open()), sep="\n")


if __name__ == "__main__":
    main()
