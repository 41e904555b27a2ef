"""Trains the second opinion on wake words: was the word said that microWakeWord says was?

    python models/build/wake_opinion.py scenes VOICES OUT.npz [--others FOLDER ...] [--noises FOLDER ...]
    python models/build/wake_opinion.py people FOLDER OUT.npz [--said alexa] [--half even] [--each] [--every 4]
    python models/build/wake_opinion.py folds OUT.npz ...
    python models/build/wake_opinion.py train OUT.npz ...

``scenes`` puts what wake_voices.py spoke into rooms and beside noises, between other words, and keeps what the speech
embedding makes of each moment at which the device's networks are rather sure; ``people`` does the same with recordings
of people, who say no wake word, or the one named (``--each``: each recording is heard by itself), and keeps a moment
every few seconds besides. ``train`` fits one hidden layer and writes the weights; ``folds`` tells beforehand how those
fare of whom nothing was trained on.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import one_layer
from halves import in_half, number_of
from int8_network import Network
from keyword_sounds import NONE as OTHER
from keyword_sounds import Clip, Stage, clips
from one_layer import Plan, together
from speech import read
from wake_moments import KEPT, RATE_HZ, Ear, Moment, of_files, whole

from sensorium_agent.infer.lanes import WAKE_WORDS
from sensorium_agent.infer.runtime.model import Model, load
from sensorium_agent.infer.sound.second_opinion import LISTENED, Judge, look
from sensorium_agent.infer.sound.wake_word import CUTOFFS
from sensorium_models import store

WEIGHTS = Path(__file__).parent.parent / "weights" / "wake_opinion.npz"
NONE = -1
LEAST = 0.5
"""Mean answer of a wake word's network from which a moment is worth learning from."""
MOST = 3
"""Moments of one call that are kept."""
LEAST_ODDS = -0.5
"""Log odds from which a word is believed: what is lost costs more than what is believed."""
FOLDS = 5
HIDDEN = 64
FOLLOWED = 0.5
"""Share of wake words after which somebody goes on speaking."""
Floats = npt.NDArray[np.float32]
Pcm = npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """What the embedding makes of one moment.

    Attributes:
        vectors: float32 [DEPTH * 96].
        heard: index of the word whose network was sure; NONE for a moment at which nobody asked.
        said: index of the word that was said; NONE if none was.
        mean: of the network's last answers.
        call: examples of one call count as one.
        source: the recording.
    """

    vectors: Floats
    heard: int
    said: int
    mean: float
    call: int
    source: str


def keep(path: Path, examples: Sequence[Example]) -> None:
    """As arrays."""
    columns = {n: np.array([getattr(e, n) for e in examples]) for n in ("heard", "said", "mean", "call", "source")}
    arrays: dict[str, Any] = {"vectors": np.array([e.vectors for e in examples], np.float16), **columns}
    np.savez(path, **arrays)


def kept(paths: Sequence[Path]) -> dict[str, npt.NDArray[Any]]:
    """The arrays of several files; calls are numbered anew."""
    parts, calls = [], 0
    for path in paths:
        part = dict(np.load(path))
        part["call"] = part["call"] + calls
        calls = int(part["call"].max(initial=calls)) + 1
        part["file"] = np.full(len(part["call"]), path.stem)
        parts.append(part)
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


# --- scenes ------------------------------------------------------------------------------------


def scenes(options: argparse.Namespace) -> Iterator[Example]:
    """Of synthetic voices, in rooms and noises."""
    rng = np.random.default_rng(options.seed)
    spoken = list(clips(options.voices))
    others = [clip for folder in options.others for clip in _some(folder, options.most, rng)]
    noises = [read(path).astype(np.float32) for folder in options.noises for path in sorted(folder.glob("*.wav"))]
    stage = Stage(others, noises, options.seed)
    engines = sorted({clip.speaker.split("/")[0] for clip in spoken})
    embedding, ear = load(store.path("speech_embedding")), Ear(LEAST)
    for number in range(options.scenes):
        word = (*WAKE_WORDS, "near")[number % (len(WAKE_WORDS) + 1)]
        engine = engines[int(rng.integers(len(engines)))]
        here = [c for c in spoken if c.word == word and c.speaker.startswith(engine)]
        if here:
            clip = here[int(rng.integers(len(here)))]
            pcm, _, _ = stage.scene(_followed(clip, others, rng))
            ear.reset()
            said = WAKE_WORDS.index(word) if word in WAKE_WORDS else NONE
            yield from _examples(embedding, ear.feed(whole(pcm)), said, clip.speaker)


def _some(folder: Path, most: int, rng: np.random.Generator) -> list[Clip]:
    paths = sorted(folder.rglob("*.wav"))
    chosen = [paths[i] for i in rng.permutation(len(paths))[:most]]
    return [Clip(OTHER, path.parent.name, read(path)) for path in chosen]


def _followed(clip: Clip, others: Sequence[Clip], rng: np.random.Generator) -> Clip:
    """The word, and often what somebody says next."""
    if not others or rng.random() > FOLLOWED:
        return clip
    other = others[int(rng.integers(len(others)))].pcm
    loud = np.sqrt((clip.pcm.astype(np.float64) ** 2).mean() / max(float((other.astype(np.float64) ** 2).mean()), 1.0))
    gap = np.zeros(int(rng.uniform(0.0, 0.4) * RATE_HZ), np.int16)
    scaled = np.clip(other * loud * rng.uniform(0.5, 1.2), -32768, 32767).astype(np.int16)
    return replace(clip, pcm=np.concatenate([clip.pcm, gap, scaled]))


def _examples(embedding: Model, found: Iterator[Moment], said: int, source: str) -> Iterator[Example]:
    """Of each call some moments, evenly from the first to the last."""
    calls: dict[int, list[Moment]] = {}
    for moment in found:
        calls.setdefault(moment.call, []).append(moment)
    for call, moments in calls.items():
        for index in sorted({round(i) for i in np.linspace(0, len(moments) - 1, MOST)}):
            moment = moments[index]
            vectors = look(embedding, moment.pcm).reshape(-1)
            yield Example(vectors, moment.word, said, moment.mean, call, source)


# --- people ------------------------------------------------------------------------------------


def people(options: argparse.Namespace) -> Iterator[Example]:
    """Of people's recordings, as one that goes on, or each by itself."""
    said = WAKE_WORDS.index(options.said) if options.said else NONE
    paths = [p for p in sorted(options.folder.rglob("*.wav")) if in_half(p.stem, options.half)]
    embedding, ear = load(store.path("speech_embedding")), Ear(LEAST)
    if options.each:
        for path, found in of_files(ear, paths):
            yield from _examples(embedding, iter(found), said, path.name)
        return
    every, since, known = round(options.every * RATE_HZ), 0, np.zeros(KEPT, np.int16)
    for path in paths:
        pcm = whole(np.concatenate([read(path), np.zeros(RATE_HZ, np.int16)]))
        yield from _examples(embedding, ear.feed(pcm), said, path.name)
        heard = np.concatenate([known, pcm])
        for end in range(len(known) + every - since, len(heard) - RATE_HZ, every):
            yield Example(look(embedding, heard[end - LISTENED : end]).reshape(-1), NONE, said, 0.0, 0, path.name)
        since, known = (since + len(pcm)) % every, heard[-KEPT:]


# --- training ----------------------------------------------------------------------------------


def fit(vectors: Floats, said: npt.NDArray[np.int64], shares: Floats, *, steps: int, seed: int) -> Network:
    """A network of one hidden layer for vectors [n, DEPTH * 96], seen as often as their ``shares`` say."""
    import torch

    targets = torch.from_numpy((said[:, None] == np.arange(len(WAKE_WORDS))).astype(np.float32))
    loss_of = torch.nn.BCEWithLogitsLoss()

    def loss(logits: Any, one: Any, other: Any, part: Any) -> Any:
        return loss_of(logits, part * targets[one] + (1 - part) * targets[other])

    return one_layer.fit(vectors, shares, loss, Plan(HIDDEN, len(WAKE_WORDS), 0.2, 0.3, steps), seed=seed)


def judge(network: Network) -> Judge:
    """The network as the device reads it."""
    return Judge(network.weights[0], network.biases[0], network.weights[1], network.biases[1], {})


def shares(heard: npt.NDArray[np.int64], said: npt.NDArray[np.int64]) -> Floats:
    """How often each example is seen: every word as often, what is mistaken for it as often, and the rest."""
    found = np.zeros(len(said), np.float64)
    for word in range(len(WAKE_WORDS)):
        for part, chosen in ((0.11, said == word), (0.09, (heard == word) & (said != word))):
            found[chosen] += part / max(int(chosen.sum()), 1)
    rest = found == 0
    found[rest] = 0.2 / max(int(rest.sum()), 1)
    return found.astype(np.float32)


def fitted(data: Mapping[str, npt.NDArray[Any]], steps: int, networks: int) -> Judge:
    """The networks of some seeds together."""
    vectors, said = data["vectors"].astype(np.float32), data["said"]
    often = shares(data["heard"], said)
    return judge(together([fit(vectors, said, often, steps=steps, seed=seed) for seed in range(networks)]))


def train(options: argparse.Namespace) -> None:
    """Write the weights."""
    data = kept(options.examples)
    made = fitted(data, options.steps, options.networks)
    arrays = {name: getattr(made, name).astype(np.float16) for name in ("first", "first_bias", "last", "last_bias")}
    np.savez_compressed(options.out, **arrays, words=WAKE_WORDS, least=np.full(len(WAKE_WORDS), LEAST_ODDS))
    print(f"{len(data['said'])} examples; {options.out.stat().st_size:,} bytes")


def folds(options: argparse.Namespace) -> None:
    """Print how those do of whom nothing was trained on: every fifth speaker or recording is left out in turn."""
    data = kept(options.examples)
    fold = np.array([number_of(source) % FOLDS for source in data["source"]])
    odds = np.zeros((len(fold), len(WAKE_WORDS)), np.float32)
    for out in range(FOLDS):
        made = fitted({name: array[fold != out] for name, array in data.items()}, options.steps, 1)
        odds[fold == out] = made.odds(data["vectors"][fold == out].astype(np.float32))
    for index, word in enumerate(WAKE_WORDS):
        here = data["heard"] == index
        said = _best(odds[:, index], data, here & (data["said"] == index))
        none = _best(odds[:, index], data, here & (data["said"] != index))
        lost, passed = int((said <= LEAST_ODDS).sum()), int((none > LEAST_ODDS).sum())
        low = ", ".join(f"{odd:.1f}" for odd in np.sort(said)[:5])
        print(f"{word}: {lost} of {len(said)} calls lost (least odds {low}); {passed} of {len(none)} others believed")


def _best(odds: Floats, data: Mapping[str, npt.NDArray[Any]], chosen: npt.NDArray[np.bool_]) -> Floats:
    """The best odds of each call in which microWakeWord itself was sure."""
    bars = np.array([CUTOFFS[word].probability for word in WAKE_WORDS])
    sure = data["call"][chosen & (data["mean"] > bars[data["heard"]])]
    calls = np.unique(sure)
    return np.array([odds[chosen & (data["call"] == call)].max() for call in calls], np.float32)


def main() -> None:
    """Make examples or train."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    made = verbs.add_parser("scenes")
    made.add_argument("voices", type=Path)
    made.add_argument("out", type=Path)
    made.add_argument("--others", type=Path, nargs="*", default=[])
    made.add_argument("--noises", type=Path, nargs="*", default=[])
    made.add_argument("--scenes", type=int, default=2000)
    made.add_argument("--most", type=int, default=400, help="recordings of each folder of others")
    made.add_argument("--seed", type=int, default=1)
    real = verbs.add_parser("people")
    real.add_argument("folder", type=Path)
    real.add_argument("out", type=Path)
    real.add_argument("--said", choices=WAKE_WORDS)
    real.add_argument("--half", choices=("even", "odd", "all"), default="all", help="of the recordings, by their names")
    real.add_argument("--each", action="store_true", help="each recording is heard by itself")
    real.add_argument("--every", type=float, default=4.0, help="seconds between moments nobody asked about")
    for name, run in (("train", train), ("folds", folds)):
        training = verbs.add_parser(name)
        training.add_argument("examples", type=Path, nargs="+")
        training.add_argument("--steps", type=int, default=2500)
        training.set_defaults(run=run)
        if name == "train":
            training.add_argument("--out", type=Path, default=WEIGHTS)
            training.add_argument("--networks", type=int, default=3, help="that answer together")
    options = parser.parse_args()
    if options.verb in {"train", "folds"}:
        options.run(options)
        return
    examples = list(scenes(options) if options.verb == "scenes" else people(options))
    keep(options.out, examples)
    print(f"{len(examples)} examples of {len({e.call for e in examples})} calls")


if __name__ == "__main__":
    main()
