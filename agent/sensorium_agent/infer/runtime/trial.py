"""A model tried in a process of its own: what crashes there harms nobody.

    python -m sensorium_agent.infer.runtime.trial FILE THREADS ACCELERATOR SHAPES

loads a model, runs it once on made-up inputs and prints what it takes and gives as one JSON line.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from sensorium.errors import SensoriumError
from sensorium_agent.infer.runtime.accelerate import CPU, Accelerator
from sensorium_agent.infer.runtime.canary import Comparison, Limits, finite
from sensorium_agent.infer.runtime.model import Array, LoadedModel, ModelError, Port, Unloadable, load_on
from sensorium_models import store

_PATIENCE_S = 60.0
_TROUBLE = 3


@dataclass(frozen=True, slots=True)
class Trial:
    """What a trial found; ``trouble`` is empty if the model can be used."""

    trouble: str
    inputs: tuple[Port, ...] = ()
    outputs: tuple[Port, ...] = ()


def attempt(
    name: str, path: Path, *, threads: int = 1, accelerator: Accelerator = CPU, patience_s: float = _PATIENCE_S
) -> Trial:
    """Try a version of the model ``name`` where it can do no harm; never raises for what it does."""
    command = [sys.executable, "-m", __name__, str(path), str(threads), str(accelerator), json.dumps(declared(name))]
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter and module
            command, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=patience_s
        )
    except subprocess.TimeoutExpired:
        return Trial(f"no answer within {patience_s:.0f} s")
    if done.returncode < 0:
        return Trial(f"it crashes ({signal.Signals(-done.returncode).name})")
    if done.returncode:
        return Trial((done.stderr.strip().splitlines() or ["it fails and says nothing"])[-1])
    said = json.loads(done.stdout.splitlines()[-1])
    inputs, outputs = (tuple(Port(p["name"], p["dtype"], tuple(p["shape"])) for p in said[side]) for side in _SIDES)
    return Trial("", inputs, outputs)


_SIDES = ("inputs", "outputs")


Shapes = Sequence[Sequence[int | str]]


def declared(name: str) -> Shapes:
    """The shapes of a model's inputs as the manifest has them."""
    return [tensor.shape for tensor in store.entry(name).inputs]


def made_up(ports: Sequence[Port], told: Shapes) -> list[Array]:
    """Inputs for a model: numbers from 0 to 1, whole ones over half their type's range.

    A dimension that varies is as long as was ``told``, or 1. A whole number without dimensions is a rate, and gets the
    one all our sound has.
    """
    rng = np.random.default_rng(0)
    told = told if len(told) == len(ports) else [()] * len(ports)
    shapes = [_length(port.shape, shape) for port, shape in zip(ports, told, strict=True)]
    return [_values(Port(p.name, p.dtype, shape), rng) for p, shape in zip(ports, shapes, strict=True)]


def _length(shape: tuple[int, ...], told: Sequence[int | str]) -> tuple[int, ...]:
    usual = [n if isinstance(n, int) else 1 for n in told] if len(told) == len(shape) else [1] * len(shape)
    return tuple(n if n >= 0 else known for n, known in zip(shape, usual, strict=True))


def _values(port: Port, rng: np.random.Generator) -> Array:
    shape, dtype = port.shape, np.dtype(port.dtype)
    if dtype.kind == "f":
        return np.asarray(rng.random(shape), dtype)
    if not shape:
        return np.array(16_000, dtype)
    return np.asarray(rng.integers(0, np.iinfo(dtype).max // 2 + 1, shape), dtype)


def main(file: str, threads: str, setting: str, shapes: str) -> int:
    """Try it; trouble is the last line of standard error."""
    path, accelerator = Path(file), Accelerator.parse(setting)
    try:
        net = load_on(path, int(threads), accelerator)
        _run(net, path, json.loads(shapes))
    except SensoriumError as error:
        sys.stderr.write(f"\n{error.why if isinstance(error, Unloadable) else error}\n")
        return _TROUBLE
    sys.stdout.write(json.dumps({side: [asdict(port) for port in getattr(net, side)] for side in _SIDES}) + "\n")
    return 0


def _run(net: LoadedModel, path: Path, told: Shapes) -> None:
    """Run it once; on an accelerator its answers must be the processor's."""
    inputs = made_up(net.inputs, told)
    answer = net.run(*inputs)
    if not finite(answer):
        raise ModelError("its answers are no numbers")
    if net.runs_on == "cpu":
        return
    difference = Comparison(Limits()).difference(load_on(path, 1, CPU).run(*inputs), answer)
    if difference > Limits().tolerance:
        raise ModelError(f"{net.runs_on}: its answers differ by {difference:.2f} from the processor's")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
