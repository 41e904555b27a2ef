"""The network that ships, as the cloud runs it, on scenes it was not trained on: the table of its card.

    python -m models.build.fusion.events.shipped --out DIR    needs the extra `train`

Nothing is fitted: bar, temperature and thresholds are those that ship. DIR is that of
``python -m models.build.fusion.events``; its banks are built where they are not there yet.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt
from models.build.fusion.events.__main__ import World
from models.build.fusion.events.bank import Floats
from models.build.fusion.events.measure import Examiner, Figures, Run, examine
from models.build.fusion.events.mix import MODALITIES, Inputs

from sensorium_cloud.fuse import network
from sensorium_cloud.fuse.network import Network, read_card
from sensorium_cloud.runtime.net import Provider
from sensorium_models import store

Doubles = npt.NDArray[np.float64]
SEED: Final = 12
"""Of the scenes that are examined, as `evaluate` draws them."""
_AT_ONCE: Final = 32


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder with the banks")
    for line in examined(World(parser.parse_args().out)).table():
        print(line)


def examined(world: World) -> Figures:
    """What ships, measured; a shift of 0, since its bar is in its weights already."""
    net = shipped(world)
    figures = Figures(0.0, net.card.temperature, msgspec.to_builtins(net.card.thresholds))
    examine(figures, Examiner(world.vocabulary, world.concepts, world.bank("exam"), runner(net), SEED))
    return figures


def shipped(world: World, provider: Provider = Provider.CPU) -> Network:
    """Both halves, by one runtime."""
    meeting = store.path("fusion")
    card = read_card(meeting.with_suffix(".json"))
    return Network(store.path("fusion_senses"), meeting, card, world.concepts, provider=provider)


def runner(net: Network) -> Run:
    """Logits before the temperature, up to a constant of each scene, from batches as large as the cloud's own."""

    def run(inputs: Inputs) -> tuple[Floats, Floats]:
        begins = range(0, len(inputs.facts), _AT_ONCE)
        found = np.concatenate([_answered(net, inputs, slice(at, at + _AT_ONCE)) for at in begins])
        return np.log(np.maximum(found, 1e-300)) * net.card.temperature, np.zeros(0, np.float32)

    return run


def _answered(net: Network, inputs: Inputs, rows: slice) -> Doubles:
    """What all senses of some scenes say together."""
    trust = inputs.trust[rows]
    places = [(m, int(row)) for m in range(len(MODALITIES)) for row in np.flatnonzero(trust[:, m])]
    given = network.Inputs.zeros(places, net.card)
    for place, (m, row) in enumerate(places):
        given.features_of(place)[:] = inputs.features[m][rows][row]
        given.phrases[place] = inputs.phrases[rows][row, m]
        given.facts[place] = inputs.facts[rows][row, m]
    groups = [[place for place, (_, own) in enumerate(places) if own == row] for row in range(len(trust))]
    return net.meet(net.hear(given), groups).posteriors


if __name__ == "__main__":
    main()
