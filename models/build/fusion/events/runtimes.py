"""What runtimes make of the network that ships, on scenes it was not trained on: right as often, and as sure of it?

    python -m models.build.fusion.events.runtimes --out DIR    needs the extras `train` and `openvino`

DIR is that of ``python -m models.build.fusion.events``; its banks are built where they are not there yet.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from models.build.figures import ece, wilson
from models.build.fusion.events.__main__ import World
from models.build.fusion.events.measure import Examiner
from models.build.fusion.events.mix import Scene
from models.build.fusion.events.shipped import SEED, runner, shipped

from sensorium_cloud.fuse.network import softmax
from sensorium_cloud.runtime.net import Provider, available

Doubles = npt.NDArray[np.float64]
_SCENES: Final = 3000
_NAMED: Final = 0.5


def main() -> None:
    """Print a line for each runtime that is here."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder with the banks")
    world = World(parser.parse_args().out)
    scenes = _scenes(world)
    expected: Doubles | None = None
    for provider in available():
        found = _posteriors(world, provider, scenes)
        expected = found if expected is None else expected
        print(f"{provider}: {_line(found, scenes, expected)}", flush=True)


def _scenes(world: World) -> list[Scene]:
    """Scenes of one meaning, and as many of nothing known."""
    mixer = Examiner(world.vocabulary, world.concepts, world.bank("exam"), world.run, SEED).mixer
    return [mixer.agreement() for _ in range(_SCENES)] + [mixer.unknown() for _ in range(_SCENES)]


def _posteriors(world: World, provider: Provider, scenes: list[Scene]) -> Doubles:
    """Probabilities [n, K + 1] as the service has them, calibrated."""
    net = shipped(world, provider)
    examiner = Examiner(world.vocabulary, world.concepts, world.bank("exam"), runner(net), SEED)
    return softmax(examiner.logits(scenes) / net.card.temperature)


def _line(found: Doubles, scenes: list[Scene], expected: Doubles) -> str:
    targets = np.array([scene.target for scene in scenes])[:_SCENES]
    right = int((found[:_SCENES].argmax(axis=1) == targets).sum())
    low, high = wilson(right, _SCENES)
    silent = (found[_SCENES:, :-1].max(axis=1) < _NAMED).mean()
    changed = int((found.argmax(axis=1) != expected.argmax(axis=1)).sum())
    apart = np.abs(found - expected).max(axis=1)
    return (
        f"right {right / _SCENES:.4f} [{low:.3f}, {high:.3f}], calibration error {ece(found[:_SCENES], targets):.4f}, "
        f"unknown and nothing named {silent:.4f}; another answer than {Provider.CPU} in {changed} of {len(found)}; "
        f"probabilities differ by {np.quantile(apart, 0.99):.4f} (p99), {apart.max():.4f} at most"
    )


if __name__ == "__main__":
    main()
