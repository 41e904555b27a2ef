"""Measures words and sounds that are taught by examples.

    python models/build/teach_hear.py words FOLDER [--speaker] [--examples 5] [--least 12] [--wake]
    python models/build/teach_hear.py talk FOLDER SPEECH ... [--minutes 30] [--draws 4]

``words`` takes recordings WORD/*.wav, or with ``--speaker`` WORD_SPEAKER_NUMBER.wav, where who teaches is who is heard.
In each draw four words are known already and one is taught anew; two others are never taught. ``talk`` teaches words
one by one and plays speech that does not contain them, one recording after the other: what is heard in it is a false
alarm. Every 80 ms count, whether there is a voice or not. Intervals are over draws, 95 %; of rates, Poisson's.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from figures import auroc
from keyword_sounds import read
from speech import poisson_upper
from teach import Draw, spread, summary

from sensorium.event import Sound
from sensorium_agent.capture.recording import open_recording
from sensorium_agent.capture.resample import SPEECH_RATE_HZ, Resampler
from sensorium_agent.infer.runtime.model import Model, load
from sensorium_agent.infer.sound.own import OWN_FROM, OwnSounds, Sounds, SoundSpotter
from sensorium_agent.infer.sound.pieces import pieces
from sensorium_models import store

_KNOWN: Final = 4
_STRANGE: Final = 2
_MOST: Final = 40
"""Recordings of a word that are looked at."""

Floats = npt.NDArray[np.float32]
Pcm = npt.NDArray[np.int16]
Rng = np.random.Generator


def sound(path: Path) -> Pcm:
    """A recording as int16 at 16 kHz."""
    samples = open_recording(path).samples()
    runs = [sample.data for sample in samples if isinstance(sample.data, Sound)]
    pcm, rate_hz = np.concatenate([run.pcm for run in runs]), runs[0].rate_hz
    if rate_hz == SPEECH_RATE_HZ:
        return pcm
    resampler = Resampler(rate_hz)
    return np.concatenate([resampler.feed(pcm), resampler.finish()])


class Memo:
    """The embedding, which never answers the same twice at a cost."""

    def __init__(self) -> None:
        self._model: Model = load(store.path("speech_embedding"))
        self._known: dict[bytes, npt.NDArray[Any]] = {}

    def run(self, *inputs: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
        """One inference, or the memory of it."""
        key = hashlib.blake2b(inputs[0].tobytes(), digest_size=12).digest()
        if key not in self._known:
            self._known[key] = self._model.run(*inputs)[0].astype(np.float32)
        return [self._known[key]]

    def reset(self) -> None:
        """Nothing is ever forgotten."""


# --- words -----------------------------------------------------------------------------


def spoken(
    folder: Path, embedding: Model, *, by_speaker: bool = False, least: int = 12
) -> dict[str, dict[str, Sounds]]:
    """By speaker ("" for all as one) and word the longest piece of each recording."""
    rng = np.random.default_rng(0)
    paths = sorted(folder.rglob("*.wav"))
    found: dict[str, dict[str, list[tuple[Floats, int]]]] = {}
    for path in [paths[i] for i in rng.permutation(len(paths))]:
        word, speaker = path.stem.split("_")[:2] if by_speaker else (path.parent.name, "")
        own = found.setdefault(speaker, {}).setdefault(word, [])
        if len(own) < _MOST and (cut := list(pieces(sound(path), embedding))):
            longest = max(cut, key=lambda piece: piece.end - piece.begin)
            own.append((longest.numbers, longest.end - longest.begin))
    return {
        speaker: {word: _sounds(own) for word, own in words.items() if len(own) >= least}
        for speaker, words in found.items()
    }


def _sounds(own: list[tuple[Floats, int]]) -> Sounds:
    return Sounds(np.stack([numbers for numbers, _ in own]), np.array([rows for _, rows in own], np.float32))


def draw(words: Mapping[str, Sounds], examples: int, rng: Rng, *, waking: bool = False) -> Draw:
    """One lesson, by a random choice of each word's recordings."""
    words = {name: _shuffled(own, rng) for name, own in sorted(words.items())}
    names = rng.permutation(sorted(words)).tolist()
    new, known, strange = names[0], names[1 : 1 + _KNOWN], names[1 + _KNOWN : 1 + _KNOWN + _STRANGE]
    taught = {name: Sounds(words[name].numbers[:examples], words[name].rows[:examples]) for name in (*known, new)}
    calls = taught if waking else ()
    before = OwnSounds(store.path("sound_space"), {name: taught[name] for name in known}, calls)
    after = OwnSounds(store.path("sound_space"), taught, calls)

    def right(own: OwnSounds, name: str) -> float:
        chances = own.told(words[name].numbers[examples:])
        return float(np.mean((chances.argmax(axis=1) == own.names.index(name)) & (chances.max(axis=1) > OWN_FROM)))

    mine = after.told(words[new].numbers[examples:])[:, after.names.index(new)]
    others = np.concatenate([after.told(words[name].numbers)[:, after.names.index(new)] for name in strange])
    positive = np.arange(len(mine) + len(others)) < len(mine)
    lost = float(np.mean([right(before, name) - right(after, name) for name in known]))
    told_apart = auroc(np.concatenate([mine, others]), positive)
    return Draw(right(after, new), lost, told_apart, float((others > OWN_FROM).mean()))


def _shuffled(own: Sounds, rng: Rng) -> Sounds:
    order = rng.permutation(len(own.rows))
    return Sounds(own.numbers[order], own.rows[order])


def measure(options: argparse.Namespace, people: Mapping[str, Mapping[str, Sounds]]) -> None:
    """Print what draws give, for each speaker in turn."""
    for speaker, words in people.items():
        rngs = map(np.random.default_rng, range(options.draws))
        found = [draw(words, options.examples, rng, waking=options.wake) for rng in rngs]
        what = f"{options.folder.name} {speaker}, {len(words)} words, {options.examples} taught"
        print(f"{what}: {summary(found)}", flush=True)


# --- talk ------------------------------------------------------------------------------


def talk(folders: list[Path], minutes: float) -> Iterator[Pcm]:
    """Speech of each folder, in a random order, up to so many minutes."""
    for folder in folders:
        paths, heard_s = sorted(folder.rglob("*.wav")), 0.0
        for i in np.random.default_rng(0).permutation(len(paths)):
            pcm = read(paths[i])
            yield np.concatenate([pcm, np.zeros(8000, np.int16)])
            heard_s += len(pcm) / SPEECH_RATE_HZ
            if heard_s > minutes * 60:
                break


def alarms(folder: Path, speech: list[Path], minutes: float, draws: int) -> None:
    """Print for each word how much of it is known, and how often something else is, as a word and as a wake word."""
    embedding = Memo()
    (words,) = spoken(folder, embedding).values()
    stream = np.concatenate(list(talk(speech, minutes)))
    hours = len(stream) / SPEECH_RATE_HZ / 3600
    for waking in (False, True):
        false, known = 0, []
        for word, own in words.items():
            for seed in range(draws):
                order = np.random.default_rng(seed).permutation(len(own.rows))
                taught = {word: Sounds(own.numbers[order[:5]], own.rows[order[:5]])}
                ears = OwnSounds(store.path("sound_space"), taught, taught if waking else ())
                known.append(float((ears.told(own.numbers[order[5:]])[:, 0] > OWN_FROM).mean()))
                false += (heard := _heard(ears, embedding, stream))
                print(f"  {word}: known {known[-1]:.2f}, {heard / hours:.1f} an hour", flush=True)
        told = hours * draws * len(words)
        print(
            f"{'wake words' if waking else 'words'}: known {spread(known)}; {false} false alarms in {told:.1f} hours "
            f"for a word: {false / told:.2f} an hour, at most {poisson_upper(false) / told:.2f}"
        )


def _heard(ears: OwnSounds, embedding: Model, stream: Pcm) -> int:
    spotter, count = SoundSpotter(embedding, ears), 0
    for begin in range(0, len(stream), 16_000):
        run = stream[begin : begin + 16_000]
        for end in range(begin, begin + len(run) + 1, 1280):
            spotter.sound(end)
        count += len(list(spotter.feed(run)))
    return count


def main() -> None:
    """Print every figure on a line of its own."""
    parser = argparse.ArgumentParser(description="Measure taught words and sounds.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    words = verbs.add_parser("words")
    words.add_argument("folder", type=Path)
    words.add_argument("--speaker", action="store_true", help="files are WORD_SPEAKER_NUMBER.wav")
    words.add_argument("--examples", type=int, default=5)
    words.add_argument("--draws", type=int, default=20)
    words.add_argument("--wake", action="store_true", help="by the bar of what calls the device")
    words.add_argument("--least", type=int, default=12, help="recordings of a word, or it is left out")
    talking = verbs.add_parser("talk")
    talking.add_argument("folder", type=Path)
    talking.add_argument("speech", type=Path, nargs="+")
    talking.add_argument("--minutes", type=float, default=30)
    talking.add_argument("--draws", type=int, default=1)
    options = parser.parse_args()
    if options.verb == "words":
        people = spoken(options.folder, Memo(), by_speaker=options.speaker, least=options.least)
        measure(options, people)
    else:
        alarms(options.folder, options.speech, options.minutes, options.draws)


if __name__ == "__main__":
    main()
