"""The manifest that ships: complete, consistent, and true about what goes in and out."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import numpy as np
import pytest

from sensorium_models import media, store
from sensorium_models.manifest import Model, home, manifest

RUN = [model for model in manifest().models.values() if model.purposes]
NETS = [model for model in RUN if model.suffix in {".tflite", ".onnx"}]


def named(model: Model) -> str:
    return model.name


def test_has_every_model_the_two_sides_ask_for() -> None:
    assert {model.name for model in RUN} == {
        "palm_detection", "hand_landmark", "gesture_classifier", "gesture_space", "sound_space",
        "voice_activity", "okay_nabu", "hey_jarvis", "hey_mycroft", "alexa", "speech_embedding", "keywords",
        "wake_opinion",
        "sentence_embedding", "sentence_tokenizer", "sentence_space", "frame_embedding",
        "fusion_senses", "fusion", "device_fusion",
    }  # fmt: skip


@pytest.mark.parametrize("model", manifest().models.values(), ids=named)
def test_every_model_has_one_origin_a_hash_and_a_licence(model: Model) -> None:
    assert [bool(model.package and model.file), bool(model.source), bool(model.weights)].count(True) == 1
    assert re.fullmatch("[0-9a-f]{64}", model.sha256)
    assert model.licence
    assert model.suffix in {".tflite", ".onnx", ".json", ".npz", ".pth", ".bin", ".txt"}
    for name in filter(None, (model.source, model.fallback)):
        assert manifest().models[name].package
    assert not model.package or model.package in manifest().packages


@pytest.mark.parametrize("model", [m for m in RUN if m.recipe], ids=named)
def test_every_recipe_is_a_function(model: Model) -> None:
    module, function = model.recipe.split(":")

    assert callable(getattr(importlib.import_module(module), function))


@pytest.mark.parametrize("package", manifest().packages.values(), ids=str)
def test_every_archive_of_the_index_is_pinned(package: object) -> None:
    from sensorium_models.manifest import Package

    assert isinstance(package, Package)
    pinned = bool(package.version) and bool(re.fullmatch("[0-9a-f]{64}", package.sha256))
    assert pinned != (package.kind == "deb")
    assert package.licence


def test_every_committed_weight_is_listed_and_whole() -> None:
    listed = {model.weights for model in RUN if model.weights}
    nets = {path.name for path in (home() / "weights").iterdir() if path.suffix in {".tflite", ".onnx", ".npz"}}

    assert nets == listed
    assert {s.standing for s in store.verify([m.name for m in RUN if m.weights])} == {"ok"}


@pytest.mark.needs_models
@pytest.mark.parametrize("model", NETS, ids=named)
def test_says_truly_what_goes_in_and_comes_out(model: Model) -> None:
    ins, outs = signature(store.path(model.name))

    for tensors, found in ((model.inputs, ins), (model.outputs, outs)):
        assert [t.dtype for t in tensors] == [dtype for dtype, _ in found]
        assert all(fits(t.shape, shape) for t, (_, shape) in zip(tensors, found, strict=True))


Signature = list[tuple[str, tuple[int | None, ...]]]


def fits(listed: tuple[int | str, ...], found: tuple[int | None, ...]) -> bool:
    """Whether sizes agree; what varies in the file may be narrowed in the manifest."""
    return len(listed) == len(found) and all(b is None or a == b for a, b in zip(listed, found, strict=True))


def signature(path: Path) -> tuple[Signature, Signature]:
    return _tflite(path) if path.suffix == ".tflite" else _onnx(path)


def _tflite(path: Path) -> tuple[Signature, Signature]:
    from ai_edge_litert.interpreter import Interpreter

    net = Interpreter(model_path=str(path))
    ins, outs = net.get_input_details(), net.get_output_details()
    return (
        [(np.dtype(t["dtype"]).name, tuple(map(int, t["shape"]))) for t in ins],
        [(np.dtype(t["dtype"]).name, tuple(map(int, t["shape"]))) for t in outs],
    )


def _onnx(path: Path) -> tuple[Signature, Signature]:
    import onnx

    graph = onnx.load(str(path), load_external_data=False).graph
    return [_value(value) for value in graph.input], [_value(value) for value in graph.output]


def _value(value: object) -> tuple[str, tuple[int | None, ...]]:
    import onnx

    tensor = value.type.tensor_type  # type: ignore[attr-defined]
    dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)).name
    return dtype, tuple(d.dim_value or None for d in tensor.shape.dim)


@pytest.mark.needs_media
@pytest.mark.parametrize("name", manifest().media)
def test_every_sample_is_here_and_whole(name: str) -> None:
    assert media.path(name).stat().st_size > 0
