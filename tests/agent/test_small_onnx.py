"""Small ONNX networks run without ONNX Runtime, and say the same."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from sensorium_agent.infer.runtime import small_onnx
from sensorium_agent.infer.runtime.accelerate import CPU, Accelerator
from sensorium_agent.infer.runtime.model import ModelError, load
from sensorium_agent.infer.runtime.small_onnx import NotSmallError, read
from sensorium_models import store

Floats = np.ndarray


def dense(path: Path, operator: str = "Relu") -> Path:
    """A dense layer [n, 3] -> [n, 4] with an ``operator`` behind it."""
    weights = np.random.default_rng(1).normal(0, 1, (4, 3)).astype(np.float32)
    nodes = [
        helper.make_node("Gemm", ["x", "w", "b"], ["y"], transB=1, alpha=0.5, beta=-2.0),
        helper.make_node(operator, ["y"], ["z"]),
    ]
    graph = helper.make_graph(
        nodes,
        "dense",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["n", 4])],
        [numpy_helper.from_array(weights, "w"), numpy_helper.from_array(weights[:, 0].copy(), "b")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    path.write_bytes(model.SerializeToString())
    return path


def by_runtime(path: Path, *inputs: Floats) -> list[Floats]:
    import onnxruntime as ort

    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [port.name for port in session.get_inputs()]
    return list(session.run(None, dict(zip(names, inputs, strict=True))))


def a_question(rows: int, senses: int, groups: int) -> list[Floats]:
    rng = np.random.default_rng(rows)
    shapes = ((rows, senses, 6), (senses, 16), (rows, 2), (groups, senses))
    return [rng.random(shape).astype(np.float32) for shape in shapes]


@pytest.mark.parametrize("sizes", [(2, 1, 1), (3, 1, 1), (4, 2, 3), (7, 3, 7), (14, 6, 13)])
def test_the_device_s_fusion_says_what_onnx_runtime_says(sizes: tuple[int, int, int]) -> None:
    file, asked = store.path("device_fusion"), a_question(*sizes)

    (ours,), (theirs,) = read(file).run(*asked), by_runtime(file, *asked)

    assert ours.shape == (sizes[2], sizes[0])
    assert np.abs(ours - theirs).max() < 1e-4


def test_a_dense_layer_says_what_onnx_runtime_says(tmp_path: Path) -> None:
    file, asked = dense(tmp_path / "dense.onnx"), np.linspace(-2, 2, 15, dtype=np.float32).reshape(5, 3)

    assert read(file).run(asked)[0] == pytest.approx(by_runtime(file, asked)[0], abs=1e-6)
    assert read(file).inputs[0].shape == (-1, 3)


def test_no_runtime_is_imported_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # as where it is not installed
    net = load(dense(tmp_path / "dense.onnx"), accelerator=Accelerator.parse("auto"))

    assert net.runs_on == "cpu"
    assert net.run(np.ones((1, 3), np.float32))[0].shape == (1, 4)


def test_who_names_an_accelerator_is_told_that_it_cannot_be_had(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    net = load(dense(tmp_path / "dense.onnx"), accelerator=Accelerator.parse("cuda"))

    assert net.runs_on == "cpu"
    assert "accelerator.fallback wanted=cuda" in caplog.text


def test_an_operator_it_does_not_know_is_for_onnx_runtime(tmp_path: Path) -> None:
    file = dense(tmp_path / "dense.onnx", "Sigmoid")

    with pytest.raises(NotSmallError, match="Sigmoid"):
        read(file)
    assert load(file).run(np.ones((1, 3), np.float32))[0].shape == (1, 4)


@pytest.mark.parametrize("kept", [0, 1, 40, 150])
def test_a_file_that_is_cut_off_is_refused_in_one_line(tmp_path: Path, kept: int) -> None:
    file = dense(tmp_path / "dense.onnx")
    file.write_bytes(file.read_bytes()[:kept])

    with pytest.raises(NotSmallError):
        read(file)
    with pytest.raises(ModelError):
        load(file, accelerator=CPU)


def test_a_large_file_is_for_onnx_runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(small_onnx, "MOST_BYTES", 100)

    with pytest.raises(NotSmallError, match="100 bytes"):
        read(dense(tmp_path / "dense.onnx"))


@pytest.mark.parametrize("wrong", [np.ones((1, 2), np.float32), np.ones(3, np.float32), np.ones((1, 3))])
def test_what_does_not_fit_is_refused_by_the_input_s_name(tmp_path: Path, wrong: Floats) -> None:
    with pytest.raises(ModelError, match=r"x: wanted float32 \[-1, 3\]"):
        load(dense(tmp_path / "dense.onnx")).run(wrong)


def test_the_shipped_network_is_whole() -> None:
    onnx.checker.check_model(onnx.load(str(store.path("device_fusion"))), full_check=True)
