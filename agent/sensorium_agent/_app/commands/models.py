"""`sensorium models`: the store's own verbs, and those that run what is in it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sensorium_agent._app.commands import options
from sensorium_models import cli

if TYPE_CHECKING:
    from sensorium_agent._app.commands import Commands
    from sensorium_agent._app.models.versions import Report

_LIMITS: Final[Mapping[str, tuple[Callable[[str], float], float, str]]] = {
    "runs": (options.count, 200, "runs that have to be compared"),
    "telling": (options.count, 20, "of them, in which something was said"),
    "agreement": (options.share, 0.97, "least share that agree"),
    "tolerance": (float, 0.1, "what still is agreement"),
    "slowdown": (float, 1.5, "how much slower it may be"),
}
"""What a comparison over files has to reach, as `infer.canary.Limits` has it: its type, its default and what it is."""


def add_parser(commands: Commands) -> None:
    """Say in words what may be asked."""
    verbs = cli.add_parser(commands)
    _add_bench(verbs)
    use = _add_version(verbs, "use", "use another version of a model; a running agent does from its next sample on")
    use.set_defaults(run=_use)
    canary = _add_version(verbs, "canary", "run another version beside the one in use, and judge it by what it says")
    canary.add_argument(
        "--on",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="over these files, here; without, a running agent does it live",
    )
    for flag, (kind, usual, about) in _LIMITS.items():
        canary.add_argument(f"--{flag}", type=kind, help=f"with --on: {about} (default: {usual})")
    canary.add_argument("--json", action="store_true", help="print one JSON object")
    canary.set_defaults(run=_canary)


def _add_version(verbs: Any, verb: str, about: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(verb, help=about, description=about)
    parser.add_argument("name", metavar="NAME", help="which model")
    parser.add_argument("version", metavar="VERSION", help='a file, the beginning of a sha256, or "shipped"')
    parser.add_argument("--again", action="store_true", help="even if it failed before")
    return parser


def _add_bench(verbs: Any) -> None:
    about = "measure every model of the device: loading, memory, latency, float against int8"
    bench = verbs.add_parser("bench", help=about, description=about)
    bench.add_argument("names", nargs="*", metavar="NAME", help="which models (default: all of the device)")
    bench.add_argument(
        "--threads", type=options.threads, default=(1,), metavar="N,N", help="with so many threads each (default: 1)"
    )
    bench.add_argument("--accelerator", default="cpu", help="what runs them (default: %(default)s)")
    bench.add_argument("--json", action="store_true", help="print one JSON object")
    bench.set_defaults(run=_bench)


def _bench(args: argparse.Namespace) -> int:
    from sensorium_agent._app.models import bench as model_bench

    found = model_bench.measure(args.names, args.threads, args.accelerator, progress=sys.stderr.isatty())
    if args.json:
        print(json.dumps(asdict(found), indent=2))
    else:
        model_bench.show(found)
    return 1 if found.lacking else 0


def _use(args: argparse.Namespace) -> int:
    from sensorium_agent._app.models import versions as model_versions
    from sensorium_agent.infer.runtime.shelf import short

    chosen = model_versions.use(args.name, args.version, again=args.again)
    print(f"{args.name}: version {short(chosen.chosen)} is used; before: {short(chosen.previous)}")
    return 0


def _canary(args: argparse.Namespace) -> int:
    from sensorium.settings import SettingsError
    from sensorium_agent._app.models import versions as model_versions
    from sensorium_agent.infer.runtime.canary import Limits

    if not args.on:
        if given := [flag for flag in _LIMITS if getattr(args, flag) is not None]:
            raise SettingsError(
                "models canary", f"--{given[0]}", "goes with --on; a running agent has limits of its own"
            )
        choice = model_versions.offer(args.name, args.version, again=args.again)
        print(
            f"{args.name}: version {choice.candidate[:12]} is tried by a running agent; see: sensorium models versions"
        )
        return 0
    limits = Limits(**{flag: value for flag in _LIMITS if (value := getattr(args, flag)) is not None})
    report = model_versions.compare(args.name, args.version, args.on, limits)
    _show(report, as_json=args.json)
    return 0 if report.decision.verdict == "promote" and not report.failed else 1


def _show(report: Report, *, as_json: bool) -> None:
    from sensorium_agent.infer.runtime.shelf import short

    for trouble in report.failed:
        print(f"sensorium: {trouble}", file=sys.stderr)
    if as_json:
        print(json.dumps(asdict(report)))
    else:
        print(f"{report.name}: version {short(report.blob)}: {report.decision.verdict}: {report.decision.reason}")
