"""Learns how reliable a sense is from how good its signal is, and measures that on signals spoilt in other ways.

    python models/build/reliability.py gather SENSE LOOKS [--photos FOLDER] [--voices FOLDER] [--noises FOLDER] ...
    python models/build/reliability.py learn LOOKS [--out proto/sensorium/reliability.toml]
    python models/build/reliability.py examine LOOKS

SENSE is gesture, audio, haptic, biometric or video. ``gather`` writes LOOKS/SENSE-practice.npz and SENSE-exam.npz: what
the sense answered of signals that were spoilt, the measures of their quality, and whether it was right. ``examine``
compares the learnt reliability with the formula it replaced, as chances of being right.
models/cards/reliability.md says what each is given, and what came of it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

import numpy as np
from reliability_fit import figures, intervals, learn, said
from reliability_looks import Look, Looks

from sensorium.event import Modality
from sensorium.reliability import Table, tables

_SEED: Final = 2026
_TABLE: Final = Path(__file__).parents[2] / "proto" / "sensorium" / "reliability.toml"
_ABOUT: Final = """\
# How reliable each sense is, by the measures of its signal: `sensorium.reliability` says what the numbers are.
# Written by models/build/reliability.py; the card is models/cards/reliability.md.
"""
Rng = np.random.Generator


# --- gathering -------------------------------------------------------------------------


def _gestures(exam: bool, rng: Rng, options: argparse.Namespace) -> Iterable[Look]:
    import hand_photos
    import reliability_hands as hands

    folders = options.exam if exam else options.practice
    photos = [photo for folder in folders for photo in hand_photos.folder(folder)]
    return hands.looks(photos, hands.EXAM if exam else hands.PRACTICE, rng, most=options.most or 400)


def _sounds(exam: bool, rng: Rng, options: argparse.Namespace) -> Iterable[Look]:
    import keyword_sounds
    import reliability_sounds as sounds

    read = sounds.clips if exam else keyword_sounds.clips
    clips = [clip for folder in (options.exam if exam else options.practice) for clip in read(folder)]
    noise = sounds.recorded(options.noises, clips) if exam else sounds.made_noise
    return sounds.looks(clips, noise, rng, most=options.most or 1600)


def _touches(exam: bool, rng: Rng, options: argparse.Namespace) -> Iterable[Look]:
    import reliability_touches as touches

    given = ("exam", touches.gappy) if exam else ("developed on", touches.sparse)
    return touches.looks(*given, rng, most=options.most or 6000)


def _pulses(exam: bool, rng: Rng, options: argparse.Namespace) -> Iterable[Look]:
    import reliability_pulses as pulses

    return pulses.looks(pulses.EXAM if exam else pulses.PRACTICE, rng, most=options.most or 240)


def _pictures(exam: bool, rng: Rng, options: argparse.Namespace) -> Iterable[Look]:
    import hand_photos
    import reliability_hands as hands
    import reliability_pictures as pictures

    photos = hand_photos.samples()[int(exam) :: 2]
    return pictures.looks(photos, hands.EXAM if exam else hands.PRACTICE, rng, each=options.most or 12)


Gather = Callable[[bool, Rng, argparse.Namespace], Iterable[Look]]
GATHER: Final[Mapping[Modality, Gather]] = {
    Modality.VIDEO: _pictures,
    Modality.AUDIO: _sounds,
    Modality.GESTURE: _gestures,
    Modality.HAPTIC: _touches,
    Modality.BIOMETRIC: _pulses,
}


def gather(sense: Modality, out: Path, options: argparse.Namespace) -> None:
    """Write both files of one sense."""
    for exam in (False, True):
        looks = Looks.of(GATHER[sense](exam, np.random.default_rng(_SEED + exam), options))
        looks.save(_file(out, sense, exam=exam))
        print(f"{_file(out, sense, exam=exam)}: {len(looks)} answers, {looks.right.mean():.3f} right")


def _file(folder: Path, sense: Modality, *, exam: bool) -> Path:
    return folder / f"{sense}-{'exam' if exam else 'practice'}.npz"


# --- learning and measuring --------------------------------------------------------------


def written(learnt: Mapping[Modality, Table]) -> str:
    """The tables as TOML."""
    lines = [_ABOUT.rstrip()]
    for sense, table in learnt.items():
        lines += ["", f"[{sense}]", f"prior = {table.prior}"]
        for name, curve in table.curves.items():
            lines += ["", f"[{sense}.{name}]", f"at = {list(curve.at)}", f"adds = {list(curve.adds)}"]
    return "\n".join(lines) + "\n"


def examine(folder: Path) -> None:
    """Print each sense's figures on its exam, by formula and as learnt, and by the prior alone."""
    for sense, table in tables().items():
        looks = Looks.load(_file(folder, sense, exam=True))
        print(f"{sense}: {len(looks)} answers of {len(set(looks.whose.tolist()))}, {looks.right.mean():.3f} right")
        told = {"formula": looks.formula, "prior": np.full(len(looks), table.prior), "learnt": said(table, looks)}
        for name, chance in told.items():
            found, ends = figures(chance, looks.right), intervals(chance, looks)
            parts = [f"{what} {found[what]:.3f} [{low:.3f}, {high:.3f}]" for what, (low, high) in ends.items()]
            print(f"  {name:8} {', '.join(parts)}")


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    gathering = verbs.add_parser("gather")
    gathering.add_argument("sense", type=Modality, choices=list(GATHER))
    gathering.add_argument("looks", type=Path)
    gathering.add_argument(
        "--practice", type=Path, nargs="+", default=[], help="folders of photos or voices to learn from"
    )
    gathering.add_argument("--exam", type=Path, nargs="+", default=[], help="those of others")
    gathering.add_argument("--noises", type=Path, help="a folder of recorded noises, for the exam of audio")
    gathering.add_argument("--most", type=int, help="photos, scenes, touches, recordings, or looks at a picture")
    learning = verbs.add_parser("learn")
    learning.add_argument("looks", type=Path)
    learning.add_argument("--out", type=Path, default=_TABLE)
    verbs.add_parser("examine").add_argument("looks", type=Path)
    options = parser.parse_args()
    if options.verb == "gather":
        gather(options.sense, options.looks, options)
    elif options.verb == "learn":
        learnt = {sense: learn(Looks.load(_file(options.looks, sense, exam=False))) for sense in GATHER}
        options.out.write_text(written(learnt), encoding="utf-8")
    else:
        examine(options.looks)


if __name__ == "__main__":
    main()
