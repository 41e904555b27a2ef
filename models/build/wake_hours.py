"""How often is a wake word heard that nobody said? Hours of people's recordings, and hours read by synthetic voices.

    python models/build/wake_hours.py read ENGINE --hours 2 --out HOURS.jsonl [--text FILE ...] [--packages FOLDER]
    python models/build/wake_hours.py people FOLDER ... --out HOURS.jsonl [--half odd] [--each]
    python models/build/wake_hours.py total HOURS.jsonl ...
    python models/build/wake_hours.py calls WORD FOLDER [--half odd]

ENGINE is one of keyword_voices.py's. It reads FILEs, or words and sentences of our own in any order, in rooms, beside
noise, and never stops: a microphone that stays on. People's WAV files are one recording too, a second apart, or, with
``--each``, recordings of their own. Each run appends what it heard to HOURS.jsonl, with the second opinion and without,
so that many short runs make one long one; ``total`` adds them up. ``calls`` counts in how many recordings of a WORD it
is heard with the second opinion of those in which microWakeWord alone hears it.
"""

from __future__ import annotations

import argparse
import json
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from halves import in_half
from keyword_sounds import coloured, room
from keyword_voices import ENGINES
from keyword_words import KEYWORDS, NEAR, OTHER_WORDS, SENTENCES
from scipy.signal import fftconvolve
from speech import poisson_upper, read

from sensorium_agent.infer.lanes import SECOND_OPINION, SPOTTING, WAKE_WORDS
from sensorium_agent.infer.runtime.model import load
from sensorium_agent.infer.sound.second_opinion import SecondOpinion
from sensorium_agent.infer.sound.wake_word import WakeWords
from sensorium_models import store

RATE_HZ = 16_000
RUN = 16_000
"""Samples fed at once: what is heard does not depend on it."""
CALLED = re.compile(r"\b(alexa|jarvis|mycroft|nabu)\b", re.IGNORECASE)
WORDS_AT_ONCE = 30
REST_S = 2.0
"""After a wake word, until it can be heard again."""
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


class Witness:
    """The second opinion; it remembers which words it was asked about, each call once."""

    def __init__(self) -> None:
        embedding = load(store.path(SPOTTING[0]))
        self._opinion = SecondOpinion(lambda: embedding, lambda: store.path(SECOND_OPINION))
        self.asked = Counter[str]()
        self.now_s = 0.0
        self._last_s: dict[str, float] = {}

    def odds(self, word: str, pcm: Pcm) -> float:
        """As the device asks it; without it, the word would have counted now, unless it did within the rest."""
        if self.now_s - self._last_s.get(word, -math.inf) > REST_S:
            self.asked[word] += 1
            self._last_s[word] = self.now_s
        return self._opinion.odds(word, pcm)


@dataclass(frozen=True, slots=True)
class Woken:
    """How often which word was heard: by the device, and by microWakeWord alone."""

    seconds: float
    heard: Counter[str]
    alone: Counter[str]


def listen(sounds: Iterable[Pcm], pause_s: float = 0.0, *, each: bool = False) -> Woken:
    """What is heard in sounds fed as one recording, or each as its own."""
    witness = Witness()
    words = WakeWords({name: load(store.path(name)) for name in WAKE_WORDS}, opinion=witness)
    heard, samples, pause = Counter[str](), 0, np.zeros(round(pause_s * RATE_HZ), np.int16)
    for sound in sounds:
        samples += len(sound)
        whole = np.concatenate([sound, pause])
        for begin in range(0, len(whole), RUN):
            heard.update(found.word for found in words.feed(whole[begin : begin + RUN]))
            witness.now_s += RUN / RATE_HZ
        if each:
            heard.update(found.word for found in words.finish())
            words.reset()
            witness.now_s += 2 * REST_S
    return Woken(samples / RATE_HZ, heard, witness.asked)


def until(sounds: Iterator[Pcm], hours: float) -> Iterator[Pcm]:
    """The first hours of them."""
    left = hours * 3600 * RATE_HZ
    for sound in sounds:
        if left <= 0:
            return
        left -= len(sound)
        yield sound


def keep(out: Path, kind: str, source: str, woken: Woken) -> None:
    """One line of JSON."""
    told = {"seconds": round(woken.seconds), "heard": woken.heard, "alone": woken.alone}
    with out.open("a") as file:
        file.write(json.dumps({"kind": kind, "source": source, **told}) + "\n")


def rates(lines: Iterable[dict[str, Any]]) -> Iterator[str]:
    """For each kind of voice, and for all: hours, false wakes, and how many an hour there may be (Poisson, 95 %)."""
    seconds, heard = defaultdict[str, float](float), defaultdict[str, Counter[str]](Counter)
    alone = defaultdict[str, Counter[str]](Counter)
    for line in lines:
        for kind in (f"{line['kind']}: {line['source']}", line["kind"], "all"):
            seconds[kind] += line["seconds"]
            heard[kind].update(line["heard"])
            alone[kind].update(line.get("alone", {}))
    for kind in sorted(seconds):
        hours, false = seconds[kind] / 3600, heard[kind].total()
        rate = f"{false / hours:.2f} an hour, at most {poisson_upper(false) / hours:.2f}"
        yield f"{kind}: {hours:.2f} h, {false} false wakes ({_said(heard[kind])}), {rate}"
        if alone[kind]:
            yield f"    without the second opinion {alone[kind].total()} ({_said(alone[kind])})"


def _said(words: Counter[str]) -> str:
    return ", ".join(f"{word} {count}" for word, count in words.most_common()) or "none"


def calls(word: str, paths: Sequence[Path]) -> Iterator[str]:
    """Of the recordings in which microWakeWord alone hears the word, how many the device hears; and what else."""
    alone, kept, others, others_alone = 0, 0, 0, 0
    for path in paths:
        woken = listen([read(path)], each=True)
        alone += woken.alone[word] > 0
        kept += woken.heard[word] > 0
        others += woken.heard.total() - woken.heard[word]
        others_alone += woken.alone.total() - woken.alone[word]
        if woken.alone[word] and not woken.heard[word]:
            yield f"    lost: {path.name}"
    yield f"{word}: {kept} of {alone} heard of those that microWakeWord alone hears, in {len(paths)} recordings;"
    yield f"    at most {binomial_upper(alone - kept, alone):.1%} lost (95 %)"
    yield f"    other words heard in them: {others}, without the second opinion {others_alone}"


def binomial_upper(count: int, of: int) -> float:
    """Largest share under which ``count`` or fewer of so many still come with probability .05 (Clopper and Pearson)."""
    low, high = 0.0, 1.0
    for _ in range(60):
        share = (low + high) / 2
        below = sum(math.comb(of, k) * share**k * (1 - share) ** (of - k) for k in range(count + 1))
        low, high = (share, high) if below > 0.05 else (low, share)
    return high


def wavs(folder: Path, half: str) -> list[Path]:
    """Every recording, or those whose name's SHA-1 is even or odd."""
    return [path for path in sorted(folder.rglob("*.wav")) if in_half(path.stem, half)]


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
    people.add_argument("--each", action="store_true", help="each recording is heard by itself")
    for verb in (aloud, people):
        verb.add_argument("--out", type=Path, required=True)
    verbs.add_parser("total").add_argument("files", type=Path, nargs="+")
    called = verbs.add_parser("calls")
    called.add_argument("word", choices=WAKE_WORDS)
    called.add_argument("folder", type=Path)
    for verb in (people, called):
        verb.add_argument("--half", choices=("even", "odd", "all"), default="all", help="of the recordings, by name")
    options = parser.parse_args()
    if options.verb == "read":
        keep(options.out, "synthetic", options.engine, listen(until(reading(options), options.hours)))
    elif options.verb == "people":
        for folder in options.folders:
            sounds = map(read, wavs(folder, options.half))
            source = folder.name + ("" if options.half == "all" else f", {options.half} half")
            kind = "people, each recording by itself" if options.each else "people"
            keep(options.out, kind, source, listen(sounds, pause_s=1.0, each=options.each))
    elif options.verb == "calls":
        print(*calls(options.word, wavs(options.folder, options.half)), sep="\n")
    else:
        print(*rates(json.loads(line) for path in options.files for line in path.open()), sep="\n")


if __name__ == "__main__":
    main()
