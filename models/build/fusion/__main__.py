"""Trains, measures and exports a fusion network on any recordings of several senses.

    python -m models.build.fusion train    --data FILE|DIR --out DIR [--seeds 5] [--kinds NAME=KIND,...]
    python -m models.build.fusion evaluate --data FILE|DIR --out DIR [--shots 1,5 --novel CLASSES]
    python -m models.build.fusion export   --data FILE|DIR --out DIR

docs/training.md says what the files hold, what the steps do and how to read the figures. Needs the extra `train`;
`evaluate` needs only ONNX Runtime.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from models.build.fusion import commands
from models.build.fusion.guess import KINDS

from sensorium.errors import SensoriumError


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line says; 0, or 1 after one line about what is wrong."""
    args = _parser().parse_args(arguments)
    try:
        if args.step == "evaluate":
            commands.evaluate(args.data, args.model or args.out, args.out, shots=args.shots, novel=args.novel)
        elif args.step == "train":
            commands.train(args.data, args.out, commands.settings(args), novel=args.novel, kinds=args.kinds)
        else:
            commands.export(args.data, args.out)
    except SensoriumError as error:
        print(f"fusion: {error}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        print(f"fusion: needs {error.name}: pip install 'sensorium[train]'", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m models.build.fusion", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("step", choices=("train", "evaluate", "export"))
    parser.add_argument(
        "--data", type=Path, required=True, metavar="FILE|DIR", help="a dataset, or a folder of its parts"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the model and what was measured")
    parser.add_argument("--model", type=Path, metavar="DIR", help="evaluate: the exported model, if it is not in --out")
    parser.add_argument("--seeds", type=_count, default=5, help="networks trained and pooled (%(default)s)")
    parser.add_argument("--folds", type=_count, default=4, help="parts the people are divided into (%(default)s)")
    parser.add_argument(
        "--split", choices=("group", "random"), default="group", help="by people, or (flattering) by clips"
    )
    parser.add_argument("--epochs", type=_count, help="over all clips, instead of the usual number")
    parser.add_argument("--processes", type=_count, default=min(2, os.cpu_count() or 1), help="(%(default)s)")
    parser.add_argument(
        "--novel", type=_names, default=(), metavar="CLASSES", help="classes left out, to be taught: a,b,c"
    )
    parser.add_argument(
        "--kinds", type=_kinds, default={}, metavar="NAME=KIND,...", help=f"what numbers are: {', '.join(KINDS)}"
    )
    parser.add_argument(
        "--shots", type=_counts, default=(), metavar="N,...", help="evaluate: examples of each novel class"
    )
    return parser


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def _counts(text: str) -> tuple[int, ...]:
    return tuple(_count(part) for part in text.split(","))


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _kinds(text: str) -> dict[str, str]:
    pairs = [part.partition("=") for part in _names(text)]
    for name, _, kind in pairs:
        if not name or kind not in KINDS:
            raise argparse.ArgumentTypeError(f"{text!r} is not NAME=KIND,...; kinds are {', '.join(KINDS)}")
    return {name: kind for name, _, kind in pairs}


if __name__ == "__main__":
    sys.exit(main())
