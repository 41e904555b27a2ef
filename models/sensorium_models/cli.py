"""``models list|fetch|verify|versions``: one command for device, cloud and set-up.

Exit codes: 0 all is well, 1 something is missing or damaged. Errors are for the program that has these verbs.
"""

from __future__ import annotations

import argparse
import sys
import threading
from collections.abc import Sequence
from typing import Any, get_args

from sensorium_models import store
from sensorium_models.manifest import Purpose, manifest
from sensorium_models.store import State

_OK, _LACKING = 0, 1

_lock = threading.Lock()


def add_parser(subparsers: Any) -> Any:
    """Add ``models`` to a program's subcommands, and give its verbs, to which more may be added."""
    about = "the neural networks: what there is, bring it here, is it whole?"
    parser = subparsers.add_parser("models", help=about, description=about.capitalize())
    parser.set_defaults(run=run)
    return add_verbs(parser)


def add_verbs(parser: argparse.ArgumentParser) -> Any:
    """Add ``list``, ``fetch``, ``verify``, ``versions`` and ``fetch-media`` to a parser, and give its verbs."""
    verbs = parser.add_subparsers(dest="models_verb", metavar="VERB", required=True)
    for verb, about in (
        ("list", "every model with its size, origin and licence"),
        ("fetch", "bring models here out of pinned packages; what is here and whole is left alone"),
        ("verify", "compare every model with its sha256"),
    ):
        one = verbs.add_parser(verb, help=about, description=about)
        one.add_argument("names", nargs="*", metavar="NAME", help="which models (default: all)")
        one.add_argument("--for", dest="purpose", choices=get_args(Purpose), help="only what this side runs")
    about = "which versions of a model are used, tried, or were refused"
    versions = verbs.add_parser("versions", help=about, description=about)
    versions.add_argument("names", nargs="*", metavar="NAME", help="which models (default: all)")
    samples = verbs.add_parser("fetch-media", help="bring the sample photos, speech and pulse of the demo here")
    samples.add_argument("names", nargs="*", metavar="NAME", help="which samples (default: all)")
    return verbs


def run(args: argparse.Namespace) -> int:
    """Do what was parsed; give the exit code.

    Raises:
        SensoriumError: one line.
    """
    return _VERBS[args.models_verb](args)


def _list(args: argparse.Namespace) -> int:
    for state in store.verify(args.names or None, purpose=args.purpose):
        model = store.entry(state.name)
        size = f"{state.path.stat().st_size / 1e6:6.2f} MB" if state.standing == "ok" else f"{state.standing:>9}"
        origin = str(manifest().packages[model.package]) if model.package else model.source or "our own"
        _say(f"{model.name:<20} {size}  {'+'.join(model.purposes):<6} {model.licence:<11} {origin}")
        _say(f"{'':<20} {model.about}{f' ({state.note})' if state.note else ''}")
    return _OK


def _fetch(args: argparse.Namespace) -> int:
    from sensorium_models.fetch import fetch

    return _conclude(fetch(args.names or None, purpose=args.purpose, say=_say), "models")


def _fetch_media(args: argparse.Namespace) -> int:
    from sensorium_models import media

    return _conclude(media.fetch(args.names or None, say=_say), "samples")


def _verify(args: argparse.Namespace) -> int:
    states = store.verify(args.names or None, purpose=args.purpose)
    for state in states:
        _say(f"{state.name:<20} {state.standing:<8} {state.note}".rstrip())
    return _conclude(states, "models")


def _versions(args: argparse.Namespace) -> int:
    for name in args.names or [model.name for model in store.models() if model.purposes]:
        found = store.versions(name)
        proven = "" if not found.chosen or found.chosen in found.proven else ", not proven yet"
        _say(f"{name:<20} {found.chosen[:12] or 'shipped':<12}  used{proven}")
        if found.previous != found.chosen:
            _say(f"{'':<20} {found.previous[:12] or 'shipped':<12}  before")
        if found.candidate:
            _say(f"{'':<20} {found.candidate[:12]:<12}  tried by a running agent")
        for blob, why in found.refused.items():
            _say(f"{'':<20} {blob[:12]:<12}  refused: {why}")
    return _OK


def _conclude(states: Sequence[State], what: str) -> int:
    lacking = [f"{s.name} ({s.standing})" for s in states if s.standing != "ok"]
    if lacking:
        sys.stderr.write(f"{len(lacking)} of {len(states)} {what} lacking: {', '.join(lacking)}\n")
        return _LACKING
    _say(f"all {len(states)} {what} are here and whole")
    return _OK


def _say(line: str) -> None:
    with _lock:  # downloads report from several threads
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


_VERBS = {"list": _list, "fetch": _fetch, "verify": _verify, "versions": _versions, "fetch-media": _fetch_media}
