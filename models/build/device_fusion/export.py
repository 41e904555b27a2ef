"""The trained network as a file, and its temperature."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from models.build.device_fusion.learn import lessons
from models.build.device_fusion.net import VotingNet
from models.build.device_fusion.scenes import Scene
from models.build.figures import fit_temperature
from torch import Tensor

from sensorium_agent.fuse.network import CLAIMS, FACTS, MASKED, ROWS
from sensorium_agent.infer.runtime import small_onnx

_INPUTS: Final = ("claims", "facts", "rows", "trusted")
_SIZES: Final = ((3, 1, 1), (2, 1, 1), (4, 2, 3), (7, 3, 7), (14, 6, 13))
"""Rows, senses and groups of the questions on which all runtimes are compared."""
_TOLERANCE: Final = 1e-4


def temperature(net: VotingNet, scenes: Sequence[Scene]) -> float:
    """One temperature for a vocabulary (Guo et al. 2017), on scenes without contradictions, all who speak together."""
    logits, meant = [], []
    for scene in scenes:
        if scene.target is None or not scene.speaking:
            continue
        (lesson,) = lessons([scene])
        with torch.no_grad():
            own = net(*map(torch.from_numpy, lesson.asked.inputs))[0].numpy().astype(np.float64)
        others = np.full(lesson.asked.others, own[-2])
        wide = np.full(scene.concepts + 1, -1e9)
        row = np.concatenate([own[:-2], others, own[-1:]])
        wide[: len(row)] = row
        place = int(np.argmax(lesson.meant[0]))
        logits.append(wide)
        meant.append(place if place < len(own) - 2 else len(row) - 1 if place == len(own) - 1 else len(own) - 2)
    return fit_temperature(np.array(logits), np.array(meant))


def write(net: VotingNet, path: Path) -> float:
    """Write the network; gives how far torch, ONNX Runtime and the agent's own runtime are apart."""
    free = torch.export.Dim.DYNAMIC
    shapes: Any = ({0: free, 1: free}, {0: free}, {0: free}, {0: free, 1: free})
    torch.onnx.export(
        net,
        tuple(question(4, 3, 7, seed=0)),
        str(path),
        input_names=list(_INPUTS),
        output_names=["logits"],
        dynamic_shapes=shapes,
        dynamo=True,
        external_data=False,
        optimize=True,
    )
    _strip(path)
    apart = max(differences(net, path))
    assert apart < _TOLERANCE, f"the runtimes differ by {apart}"
    return apart


def _strip(path: Path) -> None:
    """Drop what the exporter tells of itself: paths and line numbers, which differ from machine to machine."""
    import onnx

    model = onnx.load(str(path))
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.input, *graph.output, *graph.initializer, *graph.value_info):
        del part.metadata_props[:]
    for node in graph.node:
        node.doc_string = ""
    del graph.value_info[:]
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString(deterministic=True))


def question(rows: int, senses: int, groups: int, seed: int) -> list[Tensor]:
    """A made-up question; in its first group all senses speak."""
    rng = np.random.default_rng(seed)
    shapes = ((rows, senses, CLAIMS), (senses, FACTS), (rows, ROWS), (groups, senses))
    made = [rng.random(shape).astype(np.float32) for shape in shapes]
    absent = rng.random(made[-1].shape) < 0.5
    absent[0] = False
    absent[:, 0] &= absent[:, 1:].any(axis=1) if senses > 1 else False
    absent[absent.all(axis=1), 0] = False
    made[-1] = np.where(absent, np.float32(MASKED), np.log(made[-1]))
    return [torch.from_numpy(x) for x in made]


def differences(net: VotingNet, path: Path) -> list[float]:
    """The largest differences of ONNX Runtime and of the agent's own runtime from torch, over all `_SIZES`."""
    import onnxruntime as ort

    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    small = small_onnx.read(path)
    found = []
    for seed, sizes in enumerate(_SIZES):
        asked = question(*sizes, seed=seed)
        with torch.no_grad():
            expected = net(*asked).numpy()
        values = [x.numpy() for x in asked]
        (theirs,) = session.run(None, dict(zip(_INPUTS, values, strict=True)))
        (ours,) = small.run(*values)
        found += [float(np.abs(theirs - expected).max()), float(np.abs(ours - expected).max())]
    return found
