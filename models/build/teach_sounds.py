"""Makes sound_space, in which taught words and sounds are compared: from synthetic voices and made-up sounds.

    python models/build/teach_sounds.py VOICES

VOICES is a folder as keyword_voices.py writes it; with sounds of `sound_events` its words are put into simulated rooms
and noises, and linear discriminants told from them: no network. models/weights/sound_space.npz comes out; teach_hear.py
measures it.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import keyword_sounds
import numpy as np
import numpy.typing as npt
import sound_events
from keyword_sounds import Clip, Embedder, Stage
from scipy.linalg import eigh  # type: ignore[import-untyped]

from sensorium_agent.infer.prototypes import WAY, Space
from sensorium_agent.infer.sound.embedding import Spectrogram
from sensorium_agent.infer.sound.keyword import KEYWORDS, OTHER
from sensorium_agent.infer.sound.pieces import A_HOP, AFTER, NUMBERS, PLACES, bounds, span
from sensorium_models import store

_KEPT: Final = Path(__file__).parents[1] / "weights" / "sound_space.npz"
_SEED: Final = 2026
_WIDTH: Final = 96
_RIDGE: Final = 0.1
_CLIPS: Final = 12
_LEAST: Final = 3
_KINDS: Final = 160
_TAKES: Final = 12
_LOOKS: Final = 2
"""Of each scene."""
_TALK: Final = 800
"""Looks into talk and noise, none of them at a word's end but by chance."""
_STRANGERS: Final = 250
"""Kinds of made-up sounds that a taught one is kept from."""
_NOISE: Final = "(noise)"
_SLOPE: Final = 0.25

Floats = npt.NDArray[np.float32]
Names = npt.NDArray[np.str_]
Rng = np.random.Generator
Pcm = npt.NDArray[np.int16]


# --- looks -----------------------------------------------------------------------------


def looks(pcm: Pcm, pairs: Sequence[tuple[float, float]], embed: Embedder, phase: int) -> Floats:
    """Numbers [n, 384] as the device takes them: of each pair, from so many rows before the row it ends at."""
    rows = Spectrogram().feed(np.concatenate([np.zeros(phase, np.int16), pcm, np.zeros(8000, np.int16)]))
    late = phase / 160
    at = np.array(
        [[(end + late - back * k / (PLACES - 1)) / A_HOP for k in range(PLACES - 1, -1, -1)] for end, back in pairs]
    )
    hops = np.unique(np.concatenate([np.floor(at), np.floor(at) + 1]).astype(int))
    vectors = embed(rows, np.clip(hops * A_HOP, 0, len(rows)))
    below = np.searchsorted(hops, np.floor(at).astype(int))
    part = (at - np.floor(at))[..., np.newaxis]
    between = (1 - part) * vectors[below] + part * vectors[below + 1]
    return between.reshape(len(pairs), NUMBERS).astype(np.float32)


def jittered(begin: float, end: float, rng: Rng) -> list[tuple[float, float]]:
    """Where a look at rows ``begin`` to ``end`` may end and how far it may go back."""
    return [
        (end + AFTER + rng.uniform(-4, 4), span(end - begin) * float(np.exp(rng.normal(0, 0.12))))
        for _ in range(_LOOKS)
    ]


class Sets:
    """The stage's scenes as labelled looks."""

    def __init__(self, stage: Stage, embed: Embedder) -> None:
        self._stage = stage
        self._embed = embed
        self._rng = stage.rng

    def word(self, clip: Clip) -> Floats:
        """Two looks at a word in some room."""
        pcm, begin, end = self._stage.scene(clip)
        first, last = _heard(pcm, begin // 160, end // 160)
        return looks(pcm, jittered(first, last, self._rng), self._embed, int(self._rng.integers(1280)))

    def sound(self, kind: sound_events.Kind) -> Floats:
        """Two looks at a take of a made-up sound."""
        sound = kind.make(self._rng) * 9000
        clip = Clip(OTHER, kind.name, np.clip(sound, -32768, 32767).astype(np.int16))
        return self.word(clip)

    def talk(self, clips: Sequence[Clip]) -> Floats:
        """A few looks into words said one after the other, wherever they fall."""
        parts: list[Pcm] = []
        for clip in clips:
            parts += [
                keyword_sounds.tight(clip.pcm, 0.05),
                np.zeros(int(self._rng.uniform(0, 0.12) * 16_000), np.int16),
            ]
        talk = Clip(OTHER, "talk", np.concatenate(parts)[: 2 * 16_000])
        pcm, begin, end = self._stage.scene(talk)
        ends = self._rng.uniform(begin / 160 + 20, end / 160 + 20, 4)
        backs = np.exp(self._rng.uniform(np.log(24), np.log(120), 4))
        return looks(pcm, list(zip(ends, backs, strict=True)), self._embed, int(self._rng.integers(1280)))


def _heard(pcm: Pcm, begin: int, end: int) -> tuple[int, int]:
    """The rows of the word in a scene, as its pauses show them; as it was put there where noise hides them."""
    found = [(a, b) for a, b in bounds(Spectrogram().feed(pcm)) if b > begin and a < end]
    if not found or found[0][0] < begin - 8 or found[-1][1] > end + 15:
        return begin, end
    return found[0][0], found[-1][1]


# --- the space -------------------------------------------------------------------------


def collected(voices: Path) -> tuple[Floats, Names, Floats, Names]:
    """Looks [n, 384] at words and sounds with their classes [n], and at what is known [m, 384] with its labels [m]."""
    rng = np.random.default_rng(_SEED)
    words = _words(voices, rng)
    everything = [clip for clips in words.values() for clip in clips]
    made = Sets(Stage(everything, [], _SEED), Embedder(store.path("speech_embedding")))
    kinds = [sound_events.kind(rng) for _ in range(_KINDS)]
    classes = {name: [made.word(clip) for clip in clips] for name, clips in words.items()}
    classes |= {f"{k.name}-{n}": [made.sound(k) for _ in range(_TAKES)] for n, k in enumerate(kinds)}
    keywords = [(keyword, words[keyword]) for keyword in KEYWORDS if keyword in words]
    known = [made.word(own[rng.integers(len(own))]) for _, own in keywords for _ in range(WAY // _LOOKS)]
    labels = [keyword for keyword, _ in keywords for _ in range(WAY)]
    talk = list(_talk(made, everything, rng))
    noises = list(_noises(Sets(Stage(everything, [], _SEED + 1), Embedder(store.path("speech_embedding")))))
    names = [name for name, looked in classes.items() for one in looked for _ in one]
    looked = np.concatenate([one for some in classes.values() for one in some])
    labels += [""] * sum(map(len, talk)) + [_NOISE] * sum(map(len, noises))
    return looked, np.array(names), np.concatenate([*known, *talk, *noises]), np.array(labels)


def _talk(made: Sets, clips: Sequence[Clip], rng: Rng) -> Iterator[Floats]:
    """Looks into four words of one voice, one after the other."""
    by_voice: dict[str, list[Clip]] = {}
    for clip in clips:
        by_voice.setdefault(clip.speaker, []).append(clip)
    able = [own for own in by_voice.values() if len(own) >= 4]
    for _ in range(_TALK // 4):
        own = able[rng.integers(len(able))]
        yield made.talk([own[i] for i in rng.permutation(len(own))[:4]])


def _noises(made: Sets) -> Iterator[Floats]:
    """Looks at made-up sounds, each of another kind, none of which was learnt from."""
    rng = np.random.default_rng(_SEED + 1)
    for _ in range(_STRANGERS):
        yield made.sound(sound_events.kind(rng))


def _words(voices: Path, rng: Rng) -> dict[str, list[Clip]]:
    """Up to `_CLIPS` recordings of each word that has enough."""
    found: dict[str, list[Path]] = {}
    for path in sorted(voices.rglob("*.wav")):
        found.setdefault(path.parent.name, []).append(path)
    return {
        word: [_clip(paths[i]) for i in rng.permutation(len(paths))[:_CLIPS]]
        for word, paths in sorted(found.items())
        if len(paths) >= _LEAST
    }


def _clip(path: Path) -> Clip:
    word = path.parent.name
    label = KEYWORDS.index(word) if word in KEYWORDS else OTHER
    return Clip(label, f"{path.parent.parent.name}/{path.stem.rsplit('-', 2)[0]}", keyword_sounds.read(path))


def trained(looked: Floats, names: Names, known: Floats, labels: Names) -> Space:
    """Linear discriminants of words and sounds, those that tell most; variance 1 within a class."""
    mean = looked.mean(axis=0)
    classes, index = np.unique(names, return_inverse=True)
    counts = np.bincount(index)
    centres = np.stack([looked[index == c].mean(axis=0) for c in range(len(classes))]).astype(np.float64)
    apart = looked.astype(np.float64) - centres[index]
    within = apart.T @ apart / (len(looked) - len(classes))
    among = np.cov(centres.T) - within / counts.mean()
    variances, axes = eigh(among, within + _RIDGE * np.trace(within) / NUMBERS * np.eye(NUMBERS))
    order = np.argsort(-variances)[:_WIDTH]
    basis = axes[:, order].astype(np.float16).astype(np.float32)
    negatives = ((known - mean) @ basis).astype(np.float16).astype(np.float32)
    between = variances[order].astype(np.float32)
    noise = labels == _NOISE
    return Space(
        mean.astype(np.float32), basis, between, negatives, np.where(noise, "", labels), _SLOPE, noise.astype(np.int8)
    )


def write(space: Space) -> None:
    """Keep the space among the weights, and print its hash."""
    np.savez(
        _KEPT,
        mean=space.mean,
        basis=space.basis.astype(np.float16),
        between=space.between,
        labels=space.labels,
        kinds=space.kinds,
        negatives=space.negatives.astype(np.float16),
        slope=np.float32(space.slope),
    )
    print(f"{_KEPT.name}: sha256 {hashlib.sha256(_KEPT.read_bytes()).hexdigest()}, {_KEPT.stat().st_size:,} bytes")


def main() -> None:
    """Make it anew."""
    parser = argparse.ArgumentParser(description="Make the space of taught words and sounds.")
    parser.add_argument("voices", type=Path, help="FOLDER/ENGINE/WORD/SPEAKER-SEED-NUMBER.wav")
    write(trained(*collected(parser.parse_args().voices)))


if __name__ == "__main__":
    main()
