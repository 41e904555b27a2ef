"""Trains the device's fusion network, measures it beside the rules, and writes it as ONNX.

    python -m models.build.device_fusion train    --out DIR    needs the extra `train`; some minutes of one core
    python -m models.build.device_fusion export   --out DIR    fits the temperature, writes device_fusion.onnx
    python -m models.build.device_fusion evaluate --out DIR    prints the tables of the card, writes its picture

DIR keeps what our perceivers said and the weights between the steps; what ships is copied to models/weights and
models/cards by hand. `evaluate` takes the network that ships where DIR has none, and needs no torch then.
"""

from __future__ import annotations

import argparse
import json
import pickle
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
from models.build.device_fusion import measure, perceived, picture, scenes
from models.build.device_fusion.measure import Answers
from models.build.device_fusion.perceived import Bank, Split
from models.build.device_fusion.scenes import Director, Scene
from models.build.figures import Flags, Row

from sensorium import concepts
from sensorium_agent.fuse import symbol as device_symbol
from sensorium_agent.fuse.network import FusionNetwork
from sensorium_agent.fuse.pooling import Pool, by_rules
from sensorium_agent.fuse.symbol import FusionSettings
from sensorium_agent.infer.runtime.model import load
from sensorium_models import store

_SEED: Final = 2026
_STEPS: Final = 800
_FITTED: Final = 3000
_EXAMINED: Final = 3000
_TIMED: Final = 600
_FILE: Final = "device_fusion.onnx"


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=("train", "export", "evaluate"))
    parser.add_argument("--out", type=Path, required=True, help="folder for what was perceived, weights and results")
    parser.add_argument("--steps", type=int, default=_STEPS, help="of the optimizer (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=_SEED, help="of scenes and weights (default: %(default)s)")
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    if chosen.step == "train":
        train(chosen.out, chosen.steps, chosen.seed)
    elif chosen.step == "export":
        export(chosen.out)
    else:
        evaluate(chosen.out)


def bank(out: Path, split: Split) -> Bank:
    """What our perceivers make of generated people, kept in ``out``."""
    kept = out / f"perceived-{split}.pickle"
    if not kept.exists():
        kept.write_bytes(pickle.dumps(perceived.build(split, _SEED)))
    found: Bank = pickle.loads(kept.read_bytes())
    return found


def director(out: Path, split: Split, seed: int, *, own: bool) -> Director:
    """Who draws scenes of a split; ``own`` with other vocabularies than the built-in one."""
    vocabulary = concepts.load()
    return Director(vocabulary, bank(out, split), scenes.sentences(vocabulary, split), seed, own=own)


# --- training and writing --------------------------------------------------------------


def train(out: Path, steps: int, seed: int) -> None:
    """Train, and keep the weights."""
    import torch
    from models.build.device_fusion import learn

    net = learn.train(director(out, "practice", seed, own=True).draw, seed, steps=steps, tell=_tell)
    torch.save(net.state_dict(), out / "device_fusion.pt")


def export(out: Path) -> None:
    """Fit one temperature for the built-in vocabulary, write it into the weights, and them as ONNX."""
    import torch
    from models.build.device_fusion import export as files
    from models.build.device_fusion.net import VotingNet, parameters

    net = VotingNet()
    net.load_state_dict(torch.load(out / "device_fusion.pt", weights_only=True))
    net.eval()
    drawn = measure.drawn_scenes(director(out, "fit", _SEED + 1, own=False), _FITTED)
    temperature = files.temperature(net, drawn)
    net.cool(temperature)
    apart = files.write(net, out / _FILE)
    size = (out / _FILE).stat().st_size
    print(f"{parameters(net)} parameters, {size} bytes; temperature {temperature:.3f} of {len(drawn)} scenes")
    print(f"torch, ONNX Runtime and the agent's own runtime differ by at most {apart:.1e}")


def _tell(line: str) -> None:
    print(line, flush=True)


# --- measuring -------------------------------------------------------------------------


def evaluate(out: Path) -> None:
    """Print what rules and network make of scenes that nothing was trained on, and keep figures and picture."""
    file = out / _FILE if (out / _FILE).exists() else store.path("device_fusion")
    ways: dict[str, Pool] = {"rules": by_rules, "network": FusionNetwork(load(file))}
    drawn = measure.drawn_scenes(director(out, "exam", _SEED + 2, own=False), _EXAMINED)
    found = {who: measure.answers(pool, drawn) for who, pool in ways.items()}
    tables = {name: _table(name, found, chosen) for name, chosen in measure.kinds(drawn).items() if chosen.any()}
    other = _of_ones_own(out, ways)
    for who, pool in ways.items():
        print(f"{who}: {_cpu_ms(pool, drawn[:_TIMED])}")
    (out / "figures.json").write_text(json.dumps({**tables, **other}, indent=1))
    curves = {who: measure.reliability(answers) for who, answers in found.items()}
    (out / "device_fusion.svg").write_text(picture.reliability(curves, "Device fusion, held-out windows"))


def _of_ones_own(out: Path, ways: dict[str, Pool]) -> dict[str, Any]:
    """Calibration with vocabularies of one's own: some of the concepts, in any order."""
    drawn = measure.drawn_scenes(director(out, "exam", _SEED + 3, own=True), _EXAMINED // 2)
    sure = {who: measure.sureness(pool, drawn) for who, pool in ways.items()}
    rows = {who: measure.sure_rows(*pair) for who, pair in sure.items()}
    _print("vocabularies of one's own, up to 346 concepts", rows)
    return {"own": {who: [asdict(row) for row in some] for who, some in rows.items()}}


def _table(name: str, found: dict[str, Answers], chosen: Flags) -> dict[str, Any]:
    rows = {who: list(measure.figures(answers.among(chosen))) for who, answers in found.items()}
    _print(f"{name}: {int(chosen.sum())} scenes", rows)
    return {who: [asdict(row) for row in some] for who, some in rows.items()}


def _print(title: str, rows: dict[str, list[Row]]) -> None:
    print(f"\n{title}\n{'':<58}" + "".join(f"{who:<26}" for who in rows))
    for same in zip(*rows.values(), strict=True):
        print(f"{same[0].name:<58}" + "".join(f"{row!s:<26}" for row in same))


def _cpu_ms(pool: Pool, drawn: Sequence[Scene]) -> str:
    """Processor time of a whole answer, symbol and all."""

    def spent(scene: Scene, call: Callable[..., object]) -> float:
        began = time.thread_time_ns()
        call(scene.window, scene.vocabulary, now_ns=0, device="d", software="s", settings=FusionSettings(), pool=pool)
        return (time.thread_time_ns() - began) / 1e6

    took = np.array([spent(scene, device_symbol.fuse) for scene in drawn])
    low, middle, high = np.quantile(took, (0.05, 0.5, 0.99))
    return f"{middle:.2f} ms of CPU a window ({low:.2f} to {high:.2f}, 5 to 99 in 100)"


if __name__ == "__main__":
    main()
