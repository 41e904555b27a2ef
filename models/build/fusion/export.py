"""Several trained networks as one model, and that model as ONNX with the same outputs."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from models.build.fusion.answers import OUTPUTS, Answers, inputs, joined
from models.build.fusion.bend import Clips
from models.build.fusion.dataset import Dataset
from models.build.fusion.network import ClipNet
from torch import Tensor, nn

from sensorium.errors import SensoriumError

MOST_APART = 1e-4
"""The largest difference between ONNX Runtime and torch with which a model is written."""


class ExportError(SensoriumError):
    """ONNX Runtime does not say what torch says."""


class Pool(nn.Module):
    """Networks that answer together: the geometric mean of their probabilities."""

    def __init__(self, members: Sequence[ClipNet]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, x: list[Tensor], steps: list[Tensor], present: Tensor) -> tuple[Tensor, ...]:
        """The fields of `Answers`, in order; raw clips as `ClipNet` takes them."""
        told = [member(x, steps, present) for member in self.members]
        log_pool = self._mean([a.together for a in told])
        alone = self._mean([a.alone.log_softmax(-1) for a in told])
        reliability, weights = (self._mean([getattr(a, own) for a in told]) for own in ("reliability", "weights"))
        paired = self._mean([a.paired.sigmoid() for a in told])
        features = torch.cat([a.features for a in told], -1)
        embedding = nn.functional.normalize(self._mean([a.embedding for a in told]), dim=-1)
        return log_pool, alone, reliability, weights, paired, features, embedding

    @staticmethod
    def _mean(parts: list[Tensor]) -> Tensor:
        return torch.stack(parts).mean(0)


@torch.no_grad()
def answers(pool: Pool, dataset: Dataset, batch: int = 128) -> Answers:
    """What torch says of ``dataset``."""
    clips = Clips.of(dataset)
    told = [pool(s.x, s.steps, s.present) for s in map(clips.take, torch.split(torch.arange(len(dataset)), batch))]
    return joined([Answers(*(part.numpy() for part in parts)) for parts in told])


def write(pool: Pool, dataset: Dataset, path: Path) -> float:
    """Write the model, and compare it with torch on clips of ``dataset``; the largest difference.

    Raises:
        ExportError: it is above `MOST_APART`.
    """
    clips = Clips.of(dataset)
    some = clips.take(torch.arange(min(4, len(dataset))))
    free = torch.export.Dim.DYNAMIC
    shapes = ([{0: free, 1: free} for _ in some.x], [{0: free} for _ in some.steps], {0: free})
    names = [*(f"x_{m}" for m in dataset.senses), *(f"len_{m}" for m in dataset.senses), "present"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about torch's own internals
        torch.onnx.export(
            pool.eval(),
            (some.x, some.steps, some.present),
            str(path),
            input_names=names,
            output_names=list(OUTPUTS),
            dynamic_shapes=shapes,
            dynamo=True,
            external_data=False,
            optimize=True,
            verbose=False,
        )
    cleaned(path)
    return _checked(pool, dataset, path)


def cleaned(path: Path) -> None:
    """Take out what the exporter notes of each node: stack traces, with folders of this machine."""
    import onnx

    model = onnx.load(str(path))
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        part.ClearField("doc_string")
        part.ClearField("metadata_props")
    onnx.save(model, str(path))


def _checked(pool: Pool, dataset: Dataset, path: Path) -> float:
    apart = max(apart_on(pool, part, path) for part in _probes(dataset))
    if not apart <= MOST_APART:
        raise ExportError(f"{path}: ONNX Runtime and torch differ by {apart:.1e}; {MOST_APART:.0e} is allowed")
    return apart


def apart_on(pool: Pool, dataset: Dataset, path: Path) -> float:
    """The largest difference in any output between ONNX Runtime and torch."""
    import onnxruntime as ort

    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    widths = {name: sense.x.shape[2] for name, sense in dataset.senses.items()}
    told = session.run(list(OUTPUTS), inputs(dataset, widths))
    expected = answers(pool, dataset)
    pairs = zip(told, (getattr(expected, name) for name in OUTPUTS), strict=True)
    return max(float(np.abs(got - wanted).max()) for got, wanted in pairs)


def _probes(dataset: Dataset) -> list[Dataset]:
    """One clip; some clips; clips with one modality each."""
    some = dataset.take(np.arange(min(32, len(dataset))))
    modalities = some.present.shape[1]
    one_each = some.present & (np.arange(len(some))[:, None] % modalities == np.arange(modalities)[None, :])
    whole = np.where(one_each.any(axis=1, keepdims=True), one_each, some.present)
    return [dataset.take([0]), some, some.seen_through(whole)]


def member_answers(net: ClipNet, dataset: Dataset) -> Answers:
    """What one network says of ``dataset``."""
    return answers(Pool([net]).eval(), dataset)
