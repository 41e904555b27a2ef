"""Trains the cloud's fusion network, measures it, and writes it as ONNX with its card.

    python -m models.build.fusion.events train    --out DIR    needs the extra `train`; some minutes on two cores
    python -m models.build.fusion.events evaluate --out DIR    prints the table of the card
    python -m models.build.fusion.events export   --out DIR    writes its two halves and fusion.json into DIR
    python -m models.build.fusion.events.shipped  --out DIR    prints the table for the weights that ship

DIR keeps the banks and the weights between the steps; what ships is copied to models/weights by hand.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import pickle
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import torch
from models.build.fusion.attention import MASKED
from models.build.fusion.events import bank as banks
from models.build.fusion.events import lines, measure
from models.build.fusion.events.bank import Bank, Floats
from models.build.fusion.events.lines import Split
from models.build.fusion.events.manner import fitted
from models.build.fusion.events.mix import MODALITIES, Inputs, Mixer, materialise
from models.build.fusion.events.net import TRUST, FusionNet, Meeting, Senses
from models.build.fusion.export import MOST_APART, ExportError, cleaned
from torch import nn

from sensorium import concepts
from sensorium.concepts import Vocabulary
from sensorium.errors import SensoriumError
from sensorium_cloud.encode.encoders import SentenceEncoder
from sensorium_cloud.fuse.evidence import embed
from sensorium_cloud.fuse.reading import Manner, Reader
from sensorium_cloud.fuse.space import Space
from sensorium_models import store

_SEED: Final = 2026
_STEPS: Final = 1300
_BATCH: Final = 256
_SCENES: Final = 60_000
_EVENTS: Final = 4


def main() -> int:
    """Do what the command line says; 0, or 1 after one line about what is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=("train", "evaluate", "export"))
    parser.add_argument("--out", type=Path, required=True, help="folder for banks, weights and results")
    parser.add_argument("--steps", type=int, default=_STEPS, help="of the optimizer")
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    try:
        world = World(chosen.out)
        if chosen.step == "train":
            train(world, chosen.steps)
        elif chosen.step == "evaluate":
            evaluate(world)
        else:
            export(world)
    except SensoriumError as error:
        print(f"fusion: {error}", file=sys.stderr)
        return 1
    return 0


class World:
    """The vocabulary, its place in the sentence space, and the banks, kept in a folder."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.vocabulary: Vocabulary = concepts.load()
        encoder = SentenceEncoder(store.path("sentence_embedding"), store.path("sentence_tokenizer"), remember=100_000)
        self._encode = encoder.encode
        self.concepts: Floats = embed(self.vocabulary, encoder.encode)
        space = Space.load(store.path("sentence_space"))
        unfitted = Reader(self.vocabulary, self.concepts, self._encode, Manner(), space)
        self.manner: Manner = fitted(self.vocabulary, self._encode, unfitted)
        self._reader = Reader(self.vocabulary, self.concepts, self._encode, self.manner, space)

    def bank(self, split: Split) -> Bank:
        """The bank of a split, built once for a vocabulary and its sentences."""
        said = lines.sentences(self.vocabulary, split)
        told = hashlib.sha256(
            json.dumps([self.vocabulary.digest, said, msgspec.to_builtins(self.manner)]).encode()
        ).hexdigest()
        kept = self.out / f"bank-{split}-{told[:12]}.pickle"
        if not kept.exists():
            print(f"building the bank of {split}")
            kept.write_bytes(pickle.dumps(banks.build(self.vocabulary, self._encode, self._reader, split, _SEED)))
        bank: Bank = pickle.loads(kept.read_bytes())
        return bank

    def dims(self) -> dict[str, int]:
        """Numbers in a feature vector, by modality."""
        return {m: next(iter(self.bank("practice").rows[m].values())).shape[1] for m in MODALITIES}

    def weights(self) -> Path:
        """Where the trained weights lie, or will."""
        return self.out / "fusion.pt"

    def trained(self) -> Path:
        """Where the trained weights lie.

        Raises:
            ExportError: there are none yet.
        """
        if not self.weights().exists():
            raise ExportError(f"{self.weights()}: not there; run `train` first")
        return self.weights()

    def digest(self) -> str:
        """Of what figures depend on that may change between two steps: the weights, the words, how they are read."""
        read = json.dumps([self.vocabulary.digest, msgspec.to_builtins(self.manner)])
        return hashlib.sha256(self.trained().read_bytes() + read.encode()).hexdigest()

    def net(self) -> FusionNet:
        """The trained network."""
        net = FusionNet(self.dims())
        net.load_state_dict(torch.load(self.trained(), weights_only=True))
        return net.eval()

    def run(self, inputs: Inputs) -> tuple[Floats, Floats]:
        """The trained network's logits (before the temperature) and attention."""
        net = self.net()
        with torch.no_grad():
            embedding, attention, none = net(*tensors(inputs))
            cosines = torch.cat([embedding @ torch.from_numpy(self.concepts).T, none.unsqueeze(-1)], -1)
            logits = net.log_scale.exp() * cosines
        return logits.numpy(), attention.numpy()


def tensors(inputs: Inputs) -> list[torch.Tensor]:
    """The network's inputs in order."""
    return [torch.from_numpy(x) for x in (*inputs.features, inputs.phrases, inputs.facts)]


# --- training --------------------------------------------------------------------------


def train(world: World, steps: int) -> None:
    """Text-anchored cross-entropy: the embedding is to lie nearest to the words of its meaning."""
    torch.manual_seed(_SEED)
    torch.set_num_threads(1)  # at these sizes a second thread mostly waits
    rng = np.random.default_rng(_SEED)
    bank = world.bank("practice")
    mixer = Mixer(world.vocabulary, bank, rng)
    scenes = [mixer.draw() for _ in range(_SCENES)]
    net = FusionNet(world.dims())
    print(f"{sum(p.numel() for p in net.parameters())} parameters, {len(scenes)} scenes, {steps} steps")
    anchors = torch.from_numpy(world.concepts)
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps, pct_start=0.1)
    seen = 0.0
    for step in range(steps):
        chosen = [scenes[i] for i in rng.integers(len(scenes), size=_BATCH)]
        inputs, meanings = materialise(chosen, bank, world.vocabulary, world.concepts, rng, drop=0.25)
        loss = _loss(net, tensors(inputs), anchors, torch.from_numpy(meanings))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        seen += float(loss.detach())
        if step % 250 == 249:
            print(f"step {step + 1}: loss {seen / 250:.4f}", flush=True)
            seen = 0.0
    torch.save(net.state_dict(), world.weights())


def _loss(net: FusionNet, inputs: list[torch.Tensor], anchors: torch.Tensor, meanings: torch.Tensor) -> torch.Tensor:
    embedding, _, none = net(*inputs)
    logits = net.log_scale.exp() * torch.cat([embedding @ anchors.T, none.unsqueeze(-1)], -1)
    return -(meanings * torch.log_softmax(logits, -1)).sum(-1).mean()


# --- measuring -------------------------------------------------------------------------


def evaluate(world: World) -> dict[str, Any]:
    """Print and keep the figures: calibrated on the split `fit`, measured on `exam`."""
    found = measure.measure(world.vocabulary, world.concepts, world.bank("fit"), world.bank("exam"), world.run)
    for line in found.lines():
        print(line)
    figures = {"of": world.digest(), "wrong_names": measure.WRONG_NAMES, **asdict(found)}
    (world.out / "figures.json").write_text(json.dumps(figures, indent=1))
    return figures


# --- writing ---------------------------------------------------------------------------


def export(world: World) -> None:
    """Write both halves and fusion.json, after comparing ONNX Runtime with torch."""
    figures = _figures(world)
    net = _settled(world, figures["shift"])
    rng = np.random.default_rng(_SEED)
    mixer = Mixer(world.vocabulary, world.bank("exam"), rng)
    scenes = [mixer.draw() for _ in range(64)]
    inputs, _ = materialise(scenes, world.bank("exam"), world.vocabulary, world.concepts, rng, drop=0.25)
    senses, meeting = world.out / "fusion_senses.onnx", world.out / "fusion.onnx"
    sparse = _sparse(inputs)
    names = [*map(str, MODALITIES), "phrases", "facts", "which"]
    _write(Senses(net), sparse, senses, names, ["tokens", "anchors", "trusted", "embedding", "none"])
    with torch.no_grad():
        heard = Senses(net)(*sparse)[:3]
    some = tuple(x[:60].reshape(20, 3, *x.shape[1:]) for x in heard)
    _write(Meeting(net), some, meeting, ["tokens", "anchors", "trusted"], ["embedding", "attention", "none"])
    newest = tuple(x if x.ndim == 1 else x[:, :1] for x in sparse)
    apart = max(
        *(_apart(senses, Senses(net), x) for x in (sparse, newest)),
        *(_apart(meeting, Meeting(net), x) for x in _groups(heard)),
        _apart_alone(net, heard),
    )
    size = senses.stat().st_size + meeting.stat().st_size
    print(f"{size} bytes, ONNX Runtime and torch differ by at most {apart:.1e}")
    if not apart <= MOST_APART:
        raise ExportError(f"{world.out}: ONNX Runtime and torch differ by {apart:.1e}; {MOST_APART:.0e} is allowed")
    _write_card(world, net, figures, apart)


def _figures(world: World) -> dict[str, Any]:
    """What `evaluate` found of these weights; of others, the bar and the temperature would be wrong."""
    path = world.out / "figures.json"
    figures: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    if figures.get("of") != world.digest():
        raise ExportError(f"{path}: not of these weights and this way of reading; run `evaluate` first")
    return figures


def _settled(world: World, shift: float) -> FusionNet:
    """The trained network with its bar for "none of them" where `evaluate` put it."""
    net = world.net()
    with torch.no_grad():
        net.none.bias.sub_(shift / net.log_scale.exp())
    return net


def _sparse(inputs: Inputs) -> tuple[torch.Tensor, ...]:
    """The modalities that are there, in their order, as `Senses` takes them."""
    present = [np.flatnonzero(inputs.facts[:, m, :, TRUST].max(1)) for m in range(len(MODALITIES))]
    features = [x[rows] for x, rows in zip(inputs.features, present, strict=True)]
    stacked = [np.concatenate([x[rows, m] for m, rows in enumerate(present)]) for x in (inputs.phrases, inputs.facts)]
    which = np.repeat(np.arange(len(MODALITIES)), [len(rows) for rows in present])
    return tuple(torch.from_numpy(np.ascontiguousarray(x)) for x in (*features, *stacked, which))


def _groups(heard: Sequence[torch.Tensor]) -> list[tuple[torch.Tensor, ...]]:
    """Batches of modalities that meet: one alone, pairs, and all six with one of them masked."""
    alone, pairs, all_six = (
        tuple(x[: n * size].reshape(n, size, *x.shape[1:]) for x in heard) for n, size in ((1, 1), (30, 2), (9, 6))
    )
    tokens, anchors, trusted = all_six
    return [alone, pairs, (tokens, anchors, trusted.index_fill(1, torch.tensor([2]), MASKED))]


def _write(half: nn.Module, example: Sequence[torch.Tensor], path: Path, names: list[str], gives: list[str]) -> None:
    """Write one half; its first two axes may have any size."""
    free = torch.export.Dim.DYNAMIC
    shapes: Any = tuple(dict.fromkeys(range(min(x.ndim, 2)), free) for x in example)
    torch.onnx.export(
        half.eval(),
        tuple(example),
        str(path),
        input_names=names,
        output_names=gives,
        dynamic_shapes=(shapes,) if isinstance(half, Senses) else shapes,  # which takes any number of inputs, as one
        dynamo=True,
        external_data=False,
        optimize=True,
    )
    cleaned(path)


def _apart(path: Path, half: nn.Module, inputs: Sequence[torch.Tensor]) -> float:
    """The largest difference between ONNX Runtime and torch."""
    import onnxruntime as ort

    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [i.name for i in session.get_inputs()]
    outputs = session.run(None, {name: x.numpy() for name, x in zip(names, inputs, strict=True)})
    with torch.no_grad():
        expected = [output.numpy() for output in half(*inputs)]
    return max(float(np.abs(o - e).max()) for o, e in zip(outputs, expected, strict=True))


def _apart_alone(net: FusionNet, heard: Sequence[torch.Tensor]) -> float:
    """The largest difference between what senses say alone and what they say in a meeting of one."""
    with torch.no_grad():
        embedding, _, none = net.met(*(x[:, None] for x in heard))
        alone = net.alone(*heard[:2])
    return max(float((one - other).abs().max()) for one, other in zip(alone, (embedding, none), strict=True))


def _write_card(world: World, net: FusionNet, figures: dict[str, Any], apart: float) -> None:
    card = {
        "dims": world.dims(),
        "phrase": world.concepts.shape[1],
        "events": _EVENTS,
        "scale": float(net.log_scale.detach().exp()),
        "temperature": figures["temperature"],
        "thresholds": figures["thresholds"],
        "reading": msgspec.to_builtins(world.manner),
        "vocabulary": world.vocabulary.digest,
        "about": {
            "parameters": sum(p.numel() for p in net.parameters()),
            "onnx_against_torch": apart,
            "seed": _SEED,
            "shift": figures["shift"],
            "wrong_names": figures["wrong_names"],
            "sentence_embedding": store.digest("sentence_embedding"),
            "frame_embedding": store.digest("frame_embedding"),
            "figures": figures["rows"],
        },
    }
    (world.out / "fusion.json").write_text(json.dumps(card, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
