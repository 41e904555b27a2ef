"""Trains the keyword network on synthetic voices, and measures it on people.

    python models/build/keywords.py examples VOICES OUT.npz --scenes 3000 [--others FOLDER ...] [--noises FOLDER ...]
    python models/build/keywords.py train EXAMPLES.npz ... [--more TIMES EXAMPLES.npz ...] [--out WEIGHTS.tflite]
    python models/build/keywords.py evaluate [--digits FOLDER] [--people FOLDER] [--others FOLDER ...] [--speech ...]

VOICES is what keyword_voices.py wrote; VOICES/people/WORD/SPEAKER-SEED-NUMBER.wav may hold recordings of people too.
``--others`` has recordings of people saying anything but keywords: some to train on, others to measure with.
``--digits`` has files called DIGIT_SPEAKER_NUMBER.wav, ``--speech`` long recordings, and ``--people`` has files called
WORD/SPEAKER_NUMBER.wav, other words too: half of the speakers (even) are to choose by, half for last.
"""

from __future__ import annotations

import argparse
import re
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import one_layer
from figures import wilson
from halves import in_half
from int8_network import Network, to_litert
from keyword_sounds import Clip, Embedder, Sound, Stage, clips, examples
from keyword_words import KEYWORDS, MISTAKEN
from one_layer import Plan, together
from speech import hear, perceiver, read

from sensorium_agent.infer.sound.keyword import OTHER, THRESHOLD, Listening
from sensorium_models import media, store

WEIGHTS = Path(__file__).parent.parent / "weights" / "keywords.tflite"
ENGINES = {
    "kokoro": 0.4, "people": 0.16, "census": 0.26, "espeak": 0.08, "flite": 0.04, "piper": 0.04, "festival": 0.02,
}  # fmt: skip
HIDDEN = 256
MISTAKEN_TIMES = 4
"""How much oftener a word is heard that is easily mistaken."""
Floats = npt.NDArray[np.float32]

# --- examples --------------------------------------------------------------------------------


def make_examples(options: argparse.Namespace) -> None:
    """Put clips into scenes and keep the embeddings of their windows."""
    spoken = list(clips(options.voices))
    people = [clip for folder in options.others for clip in clips(folder)]
    noises: list[Sound] = [read(p).astype(np.float32) for f in options.noises for p in sorted(f.glob("*.wav"))]
    rng = np.random.default_rng(options.seed)
    chosen = pick(spoken, people, options.scenes, options.keywords, rng)
    stage = Stage([*spoken, *people], noises, options.seed)
    windows, labels = examples(stage, Embedder(store.path("speech_embedding")), chosen)
    np.savez(options.out, windows=windows, labels=labels)
    words = int((labels < OTHER).sum())
    print(f"{len(labels)} windows, {words} of keywords; {len(spoken)} synthetic clips, {len(people)} of people")


def pick(
    spoken: Sequence[Clip], people: Sequence[Clip], count: int, keywords: float, rng: np.random.Generator
) -> list[Clip]:
    """Clips for that many scenes: the share ``keywords`` of them keywords, each engine its share."""
    pools: dict[tuple[str, bool], list[Clip]] = defaultdict(list)
    for clip in spoken:
        pools[clip.speaker.split("/")[0], clip.label < OTHER].append(clip)
    rare = {pool: _rarity(clips) for pool, clips in pools.items()}
    found = []
    for _ in range(count):
        wanted = bool(rng.random() < keywords)
        here = [engine for engine in ENGINES if pools[engine, wanted]]
        parts = np.array([ENGINES[engine] for engine in here])
        engine = str(rng.choice(here, p=parts / parts.sum()))
        if people and not wanted and rng.random() < 0.2:
            found.append(people[rng.integers(len(people))])
        else:
            found.append(pools[engine, wanted][rng.choice(len(rare[engine, wanted]), p=rare[engine, wanted])])
    return found


def _rarity(clips: Sequence[Clip]) -> npt.NDArray[np.float64]:
    """How often to take each clip: a word that is rare among them oftener, and what is easily mistaken too."""
    counts = Counter(clip.word for clip in clips)
    share = np.array([(MISTAKEN_TIMES if clip.word in MISTAKEN else 1) / counts[clip.word] ** 0.5 for clip in clips])
    return np.asarray(share / share.sum())


# --- training --------------------------------------------------------------------------------


def train(options: argparse.Namespace) -> None:
    """Fit the network and write it as int8."""
    paths = [(1.0, path) for path in options.examples]
    paths += [(float(times), Path(path)) for times, *more in options.more for path in more]
    parts = [np.load(path) for _, path in paths]
    windows = np.concatenate([part["windows"] for part in parts]).astype(np.float32)
    labels = np.concatenate([part["labels"] for part in parts])
    shares = np.repeat([times for times, _ in paths], [len(part["labels"]) for part in parts])
    seeds = range(options.seed, options.seed + options.networks)
    network = together(
        [fit(windows.reshape(len(labels), -1), labels, shares, steps=options.steps, seed=seed) for seed in seeds]
    )
    rng = np.random.default_rng(options.seed)
    some = windows.reshape(len(labels), -1)[rng.choice(len(labels), 4000)]
    options.out.write_bytes(to_litert(network, some))
    right = network.probabilities(some).argmax(axis=1)
    print(f"{len(labels)} windows; {options.out.stat().st_size:,} bytes; classes seen {len(set(right.tolist()))}")


def fit(
    windows: Floats, labels: npt.NDArray[np.int64], shares: npt.NDArray[np.float64], *, steps: int, seed: int
) -> Network:
    """A network of one hidden layer for windows [n, DEPTH * WIDTH], seen as often as their ``shares`` say."""
    import torch

    targets, weight = torch.from_numpy(labels), torch.ones(OTHER + 1)
    weight[OTHER] = 1.5  # what is none of the words comes in more kinds than they do
    loss_of = torch.nn.CrossEntropyLoss(weight, label_smoothing=0.03, reduction="none")

    def loss(logits: Any, one: Any, other: Any, part: Any) -> Any:
        first, second = loss_of(logits, targets[one]), loss_of(logits, targets[other])
        return (part[:, 0] * first + (1 - part[:, 0]) * second).mean()

    return one_layer.fit(windows, shares, loss, Plan(HIDDEN, OTHER + 1, 0.15, 0.35, steps), seed=seed)


# --- measuring -------------------------------------------------------------------------------


def heard_in(paths: Sequence[Path]) -> dict[Path, list[tuple[str, float]]]:
    """The keywords the device hears in each recording, with their scores, from 0.05."""
    ear = perceiver(Listening(threshold=0.05))
    return {path: [(str(e.label), e.score) for e in hear(ear, read(path)) if e.label in KEYWORDS] for path in paths}


def evaluate(options: argparse.Namespace) -> None:
    """Print how many of the words are heard, by speaker, and how much else is taken for one."""
    bar = THRESHOLD
    false = [max((s for _, s in found), default=0.0) for f in options.others for found in heard_in(_wavs(f)).values()]
    if false:
        bar = float(np.quantile(false, 0.95))
        wrong = sum(score >= THRESHOLD for score in false)
        print(
            f"other words: {wrong} of {len(false)} taken for a keyword at {THRESHOLD}, {_between(wrong, len(false))};",
            end=" ",
        )
        print(f"5 % from {bar:.3f}")
    if options.people:
        _people(_of_half(_wavs(options.people), options.half), options.most)
    if options.digits:
        _digits(heard_in(_some(_wavs(options.digits), options.most)), bar)
    for folder in options.speech:
        _speech(folder)
    _cost()


def _wavs(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.wav"))


def _some(paths: list[Path], most: int) -> list[Path]:
    """Evenly many of each word and speaker."""
    seen: Counter[str] = Counter()
    order = np.random.default_rng(1).permutation(len(paths))
    found = []
    for index in order:
        key = paths[index].stem.rsplit("_", 1)[0]
        seen[key] += 1
        if seen[key] <= most:
            found.append(paths[index])
    return sorted(found)


def _speaker(path: Path) -> str:
    return path.stem.split("_")[0]


def _of_half(paths: Sequence[Path], half: str) -> list[Path]:
    """Those of one half of the speakers, or of all."""
    return [path for path in paths if in_half(_speaker(path), half)]


def _people(paths: Sequence[Path], most: int) -> None:
    """Print the share of keywords heard, at the usual bar and where 5 % of the other words are taken for one."""
    said: dict[str, list[Path]] = defaultdict(list)
    for index in np.random.default_rng(1).permutation(len(paths)):
        word = paths[index].parent.name
        if len(said[word]) < most or word not in KEYWORDS:
            said[word].append(paths[index])
    heard = {word: list(heard_in(said[word]).values()) for word in said}
    false = [max((s for _, s in found), default=0.0) for w in set(heard) - set(KEYWORDS) for found in heard[w]]
    for bar in (THRESHOLD, float(np.quantile(false, 0.95))):
        right = {w: [[a for a, s in found if s >= bar] == [w] for found in heard[w]] for w in KEYWORDS if w in heard}
        count, wrong = sum(map(len, right.values())), sum(score >= bar for score in false)
        print(
            f"people, from {bar:.2f}: {_between(sum(map(sum, right.values())), count)} of {count} heard once and right;"
        )
        print(f"    {_between(wrong, len(false))} of {len(false)} other words taken for one;")
        print("    " + ", ".join(f"{word} {np.mean(each):.2f}" for word, each in right.items()))


def _digits(heard: dict[Path, list[tuple[str, float]]], bar: float) -> None:
    people = defaultdict(list)
    for path, found in heard.items():
        digit, speaker, _ = path.stem.split("_")
        people[speaker].append((KEYWORDS[int(digit)], found))
    for speaker, said in [*sorted(people.items()), ("all", [pair for pairs in people.values() for pair in pairs])]:
        figures = []
        for at in (THRESHOLD, bar):
            right = sum([w for w, s in found if s >= at] == [word] for word, found in said)
            figures.append(f"{right} of {len(said)} at {at:.2f}, {_between(right, len(said))}")
        print(f"  {speaker}: heard once and right {'; '.join(figures)}")
        wrong = Counter((word, w) for word, found in said for w, s in found if s >= THRESHOLD and w != word)
        print(f"    taken for another: {', '.join(f'{a} for {b} {n}' for (a, b), n in wrong.most_common(5)) or 'none'}")


def _speech(folder: Path) -> None:
    paths = _wavs(folder)
    hours = sum(len(read(path)) for path in paths) / 16_000 / 3600
    found = Counter(w for words in heard_in(paths).values() for w, score in words if score >= THRESHOLD)
    said = ", ".join(f"{word} {n}" for word, n in found.most_common(8))
    print(
        f"{folder.name}: {found.total()} keywords in {60 * hours:.1f} min, {found.total() / hours:.0f} an hour: {said}"
    )


def _cost() -> None:
    """Thread CPU of what a voice costs, and of what silence costs."""
    paths = [media.path(name) for name in media.names() if re.fullmatch(r"pocketsphinx/.*sense.*\.wav", name)][:3]
    pcm = np.concatenate([read(path) for path in paths])[: 30 * 16_000]
    spent = {}
    for name, listening in (("with keywords", Listening()), ("without", Listening(words=()))):
        for kind, sound in (("voice", pcm), ("silence", np.zeros_like(pcm))):
            ear = perceiver(listening)
            begin = time.thread_time()
            hear(ear, sound)
            spent[name, kind] = (time.thread_time() - begin) / (len(sound) / 16_000)
    for kind in ("voice", "silence"):
        print(f"{kind}: {spent['with keywords', kind]:.2%} of a core, {spent['without', kind]:.2%} without keywords")


def _between(right: int, count: int) -> str:
    """A share with its 95 % interval."""
    low, high = wilson(right, count)
    return f"{right / count:.3f} ({low:.3f} to {high:.3f})"


def main() -> None:
    """Make examples, train or measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    verbs = parser.add_subparsers(required=True)
    making = verbs.add_parser("examples")
    making.add_argument("voices", type=Path)
    making.add_argument("out", type=Path)
    making.add_argument("--others", type=Path, nargs="*", default=[])
    making.add_argument("--noises", type=Path, nargs="*", default=[])
    making.add_argument("--scenes", type=int, default=3000)
    making.add_argument("--keywords", type=float, default=0.65, help="share of scenes with one")
    making.add_argument("--seed", type=int, default=1)
    making.set_defaults(run=make_examples)
    training = verbs.add_parser("train")
    training.add_argument("examples", type=Path, nargs="+")
    training.add_argument(
        "--more", nargs="+", action="append", default=[], metavar="TIMES FILE", help="examples to see oftener"
    )
    training.add_argument("--out", type=Path, default=WEIGHTS)
    training.add_argument("--steps", type=int, default=1500)
    training.add_argument("--seed", type=int, default=1, help="of the first network")
    training.add_argument("--networks", type=int, default=3, help="that answer together")
    training.set_defaults(run=train)
    measuring = verbs.add_parser("evaluate")
    measuring.add_argument("--digits", type=Path)
    measuring.add_argument("--people", type=Path)
    measuring.add_argument("--half", choices=("even", "odd", "all"), default="even", help="of the people")
    measuring.add_argument("--most", type=int, default=1000, help="recordings of each word (of a speaker's digit)")
    measuring.add_argument("--others", type=Path, nargs="*", default=[])
    measuring.add_argument("--speech", type=Path, nargs="*", default=[])
    measuring.set_defaults(run=evaluate)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
