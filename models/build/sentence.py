"""Measures how sentences are read: on the built-in concepts, and on any labelled sentences.

    python -m sensorium_models fetch
    python -m models.build.sentence                 built-in concepts; time and size
    python -m models.build.sentence evaluate FILE [--split test] [--shots 0,1,5,10] [--draws 5] [--provider cpu]

``evaluate`` makes a vocabulary of FILE's intents, as a user's concepts.toml would be (a name, a description made from
it, and as many examples as ``--shots`` says as paraphrases), and asks the cloud's reader about every sentence of the
split. FILE is JSON: an object of splits, each a list of ``[sentence, intent]`` pairs; those of ``oos_test`` fit no
intent (the form of CLINC150, Larson et al. 2019). Examples are drawn from ``train``.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from models.build.figures import auroc, drawn, wilson

from sensorium import concepts
from sensorium.concepts import Concept, Vocabulary
from sensorium_cloud.encode.encoders import SentenceEncoder
from sensorium_cloud.fuse.evidence import embed
from sensorium_cloud.fuse.network import read_card
from sensorium_cloud.fuse.reading import Manner, Reader
from sensorium_cloud.fuse.space import Space
from sensorium_cloud.runtime.net import Provider
from sensorium_models import store

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Said = Sequence[tuple[str, str]]
"""Sentences, each with its intent."""
_OUT_OF_SCOPE: Final = "oos"
_REMEMBERED: Final = 100_000


class NoSentences(SystemExit):
    """The file does not hold labelled sentences."""


# --- labelled sentences ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Answers:
    """What was read in one draw of examples.

    Attributes:
        right: bool [n], of the sentences with an intent.
        known: float [n], how surely each means any intent.
        strange: float [m], the same of those that fit none.
    """

    right: npt.NDArray[np.bool_]
    known: Doubles
    strange: Doubles


def read_file(path: Path, split: str) -> tuple[Said, Said, Sequence[str]]:
    """What to draw examples from, what to ask, and what fits no intent.

    Raises:
        NoSentences: one line that says what is missing.
    """
    try:
        held: Mapping[str, Said] = json.loads(path.read_text(encoding="utf-8"))
        train, asked = ([(text, intent) for text, intent in held[name]] for name in ("train", split))
        strange = [text for text, _ in held.get(f"{_OUT_OF_SCOPE}_{split}", ())]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        wanted = f'{{"train": [["sentence", "intent"], ...], "{split}": [...], "oos_{split}": [...]}}'
        raise NoSentences(
            f"{path}: not labelled sentences ({type(error).__name__}: {error}); needs {wanted}"
        ) from error
    missing = {intent for _, intent in asked} - {intent for _, intent in train}
    if missing:
        raise NoSentences(f"{path}: {min(missing)} is asked in {split} and has no sentence in train")
    return train, asked, strange


def vocabulary_of(train: Said, shots: int, rng: np.random.Generator) -> tuple[Vocabulary, Sequence[str]]:
    """A vocabulary as a user would write it, and its intents in order; examples come from ``train``."""
    intents = sorted({intent for _, intent in train})
    own = {intent: [text for text, meant in train if meant == intent] for intent in intents}
    made = []
    for intent in intents:
        said = re.sub(r"[\W_]+", " ", intent).strip()
        name = re.sub(r"\W+", "_", said.lower()) or "intent"
        chosen = rng.permutation(len(own[intent]))[:shots]
        made.append(Concept(name, f"A request about {said}.", tuple(own[intent][n] for n in chosen)))
    return Vocabulary(tuple(made)), intents


def ask(said: tuple[Said, Said, Sequence[str]], encoder: SentenceEncoder, shots: int, seed: int) -> Answers:
    """One draw of ``shots`` examples of each intent; the split's sentences are read with them."""
    train, asked, strange = said
    vocabulary, intents = vocabulary_of(train, shots, np.random.default_rng(seed))
    reader = Reader(vocabulary, embed(vocabulary, encoder.encode), encoder.encode, manner(), space())
    texts = [text for text, _ in asked]
    likeness, known = reader.likeness(texts, encoder.encode(texts))
    meant = np.array([intents.index(intent) for _, intent in asked])
    apart = reader.likeness(strange, encoder.encode(strange))[1] if strange else np.zeros(0)
    return Answers(likeness.argmax(1) == meant, known.astype(float), apart.astype(float))


def manner() -> Manner:
    """How the shipped network's card says likeness is to be taken."""
    return read_card(store.path("fusion").with_suffix(".json")).reading


def space() -> Space:
    """In which the cloud compares words with concepts."""
    return Space.load(store.path("sentence_space"))


def report(shots: int, draws: Sequence[Answers]) -> None:
    """Print the share right and how well strange sentences are told apart; both over the draws, with intervals."""
    right = np.mean([draw.right for draw in draws], axis=0)
    low, high = drawn(lambda i: float(right[i].mean()), len(right))
    line = f"{shots:>3} examples: right {right.mean():.3f} [{low:.3f}, {high:.3f}]"
    if len(draws) > 1:
        line += f", over {len(draws)} draws +- {np.std([draw.right.mean() for draw in draws]):.3f}"
    if len(draws[0].strange):
        line += f"; out of scope, AUROC {_apart(draws)}"
    print(line, flush=True)


def _apart(draws: Sequence[Answers]) -> str:
    scores = np.stack([np.concatenate([draw.known, draw.strange]) for draw in draws])
    known = np.arange(scores.shape[1]) < len(draws[0].known)

    def figure(chosen: npt.NDArray[np.intp]) -> float:
        return float(np.mean([auroc(own[chosen], known[chosen]) for own in scores]))

    low, high = drawn(figure, scores.shape[1], draws=60)
    return f"{figure(np.arange(scores.shape[1])):.3f} [{low:.3f}, {high:.3f}]"


def evaluate(path: Path, split: str, shots: Sequence[int], draws: int, provider: Provider = Provider.CPU) -> None:
    """Print a line for each number of examples."""
    said = read_file(path, split)
    encoder = _encoder(provider)
    intents = len({intent for _, intent in said[0]})
    print(f"{path.name}, {split}: {len(said[1])} sentences of {intents} intents, {len(said[2])} out of scope")
    for count in shots:
        report(count, [ask(said, encoder, count, seed) for seed in range(draws if count else 1)])


# --- the built-in concepts -------------------------------------------------------------


def centre(rows: Floats) -> Floats:
    """Mean direction."""
    mean = rows.mean(axis=0)
    return np.asarray(mean / np.linalg.norm(mean), np.float32)


def nearest_is_own(encoder: SentenceEncoder) -> tuple[int, int]:
    """How many paraphrases lie nearest to their own concept, and of how many; each is left out in turn."""
    vocabulary = [c for c in concepts.load(None).concepts if len(c.paraphrases) > 1]
    rows = [encoder.encode([c.description, *c.paraphrases]) for c in vocabulary]
    centres = np.stack([centre(r) for r in rows])
    right = total = 0
    for number, own in enumerate(rows):
        for left_out in range(1, len(own)):
            others = centres.copy()
            others[number] = centre(np.delete(own, left_out, axis=0))
            right += int((others @ own[left_out]).argmax()) == number
            total += 1
    return right, total


def built_in() -> None:
    """Print every figure on a line of its own."""
    encoder = _encoder()
    right, total = nearest_is_own(encoder)
    low, high = wilson(right, total)
    print(f"paraphrase nearest to its own concept: {right} of {total} = {right / total:.3f} [{low:.3f}, {high:.3f}]")
    lines = [f"please turn on light number {n} now" for n in range(200)]
    begin = time.thread_time()
    encoder.encode(lines)
    spent_ms = (time.thread_time() - begin) / len(lines) * 1e3
    size = store.path("sentence_embedding").stat().st_size / 1e6
    print(f"size {size:.1f} MB, {spent_ms:.1f} ms of CPU for 7 words")
    begin = time.thread_time()
    encoder.encode(lines)
    print(f"a sentence heard before: {(time.thread_time() - begin) / len(lines) * 1e6:.0f} us")


def _encoder(provider: Provider = Provider.CPU) -> SentenceEncoder:
    files = store.path("sentence_embedding"), store.path("sentence_tokenizer")
    return SentenceEncoder(*files, remember=_REMEMBERED, provider=provider)


def main() -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb")
    asked = verbs.add_parser("evaluate", help="read labelled sentences")
    asked.add_argument("file", type=Path, metavar="FILE")
    asked.add_argument("--split", default="test")
    asked.add_argument("--shots", default="0,1,5,10", help="examples of each intent, by commas")
    asked.add_argument("--draws", type=int, default=5, help="of examples (default: 5)")
    asked.add_argument("--provider", type=Provider, choices=list(Provider), default=Provider.CPU)
    chosen = parser.parse_args()
    if chosen.verb == "evaluate":
        shots = [int(n) for n in chosen.shots.split(",")]
        evaluate(chosen.file, chosen.split, shots, max(chosen.draws, 1), chosen.provider)
    else:
        built_in()
    return 0


if __name__ == "__main__":
    sys.exit(main())
