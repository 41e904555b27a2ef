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
from models.build.fusion.events.bank import Floats
from models.build.fusion.events.measure import Examiner
from models.build.fusion.events.mix import MODALITIES, Inputs, Scene

from sensorium_cloud.fuse import network
from sensorium_cloud.fuse.network import Network, read_card
from sensorium_cloud.runtime.net import Provider, available
from sensorium_models import store

Doubles = npt.NDArray[np.float64]
_SCENES: Final = 3000
_NAMED: Final = 0.5
_AT_ONCE: Final = 32


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
    mixer = Examiner(world.vocabulary, world.concepts, world.bank("exam"), world.run, 12).mixer
    return [mixer.agreement() for _ in range(_SCENES)] + [mixer.unknown() for _ in range(_SCENES)]


def _posteriors(world: World, provider: Provider, scenes: list[Scene]) -> Doubles:
    """Probabilities [n, K + 1] as the service has them, calibrated, from batches as large as its own."""
    meeting = store.path("fusion")
    card = read_card(meeting.with_suffix(".json"))
    net = Network(store.path("fusion_senses"), meeting, card, world.concepts, provider=provider)

    def run(inputs: Inputs) -> tuple[Floats, Floats]:
        begins = range(0, len(inputs.facts), _AT_ONCE)
        found = np.concatenate([_answered(net, inputs, slice(at, at + _AT_ONCE)) for at in begins])
        return np.log(np.maximum(found, 1e-300)), np.zeros(0, np.float32)

    return np.exp(Examiner(world.vocabulary, world.concepts, world.bank("exam"), run, 12).logits(scenes))


def _answered(net: Network, inputs: Inputs, rows: slice) -> Doubles:
    """What all senses of some scenes say together."""
    trust = inputs.trust[rows]
    places = [(m, row) for m in range(len(MODALITIES)) for row in np.flatnonzero(trust[:, m])]
    given = network.Inputs.zeros(places, net.card)
    for place, (m, row) in enumerate(places):
        given.features_of(place)[:] = inputs.features[m][rows][row]
        given.phrases[place] = inputs.phrases[rows][row, m]
        given.facts[place] = inputs.facts[rows][row, m]
    groups = [[place for place, (_, own) in enumerate(places) if own == row] for row in range(len(trust))]
    return net.meet(net.hear(given), groups).posteriors


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
