"""One setting says what runs the models; what cannot be had is said once, and the processor does the work."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from agent.tiny_models import inputs, litert

from sensorium_agent.infer.runtime import model
from sensorium_agent.infer.runtime.accelerate import CPU, PROVIDERS, Accelerator, AcceleratorUnknown
from sensorium_agent.infer.runtime.model import load
from sensorium_models import store

SOURCE = Path(__file__).with_name("delegate.c")


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return litert(tmp_path / "tiny.tflite")


@pytest.fixture(autouse=True)
def _nothing_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "_told", set())


def compiled(folder: Path, *wrongs: str) -> str:
    library = folder / f"lib{'_'.join(wrongs) or 'good'}.so"
    flags = [f"-D{wrong}" for wrong in wrongs]
    subprocess.run(["gcc", "-shared", "-fPIC", *flags, "-o", library, SOURCE], check=True, capture_output=True)
    return str(library)


def answers(path: Path, setting: str) -> np.ndarray:
    net = load(path, accelerator=Accelerator.parse(setting))
    return np.concatenate([net.run(x)[0] for x in inputs(20)])


# --- the setting -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "setting",
    ["auto", "cpu", "builtin", "xnnpack", "xnnpack:4", *PROVIDERS, "delegate:/usr/lib/libedgetpu.so.1,device=usb"],
)
def test_a_setting_is_what_it_was_written_as(setting: str) -> None:
    assert str(Accelerator.parse(setting)) == setting


@pytest.mark.parametrize(
    "setting",
    ["", "gpu", "cuda:0", "xnnpack:0", "xnnpack:many", "xnnpack:65", "delegate", "delegate:", "delegate:a.so,usb"],
)
def test_what_is_no_accelerator_is_refused_in_one_line(setting: str) -> None:
    with pytest.raises(AcceleratorUnknown, match=r"^'[^\n]+(take one of auto|is no option|threads are)[^\n]+$"):
        Accelerator.parse(setting)


def test_auto_takes_the_first_accelerator_that_is_there_and_never_tensorrt_by_itself() -> None:
    auto = Accelerator.parse("auto")

    assert auto.providers(["TensorrtExecutionProvider", "CUDAExecutionProvider"]) == ("CUDAExecutionProvider",)
    assert auto.providers(["CPUExecutionProvider"]) == ()
    assert auto.lacking([]) == ""


def test_tensorrt_falls_back_to_cuda_before_the_processor() -> None:
    both = ["TensorrtExecutionProvider", "CUDAExecutionProvider"]

    assert Accelerator.parse("tensorrt").providers(both) == tuple(both)


def test_each_accelerator_concerns_the_models_of_its_runtime_only() -> None:
    onnx, lite = Path("a.onnx"), Path("a.tflite")

    assert [Accelerator.parse("cuda").concerns(p) for p in (onnx, lite)] == [True, False]
    assert [Accelerator.parse("delegate:a.so").concerns(p) for p in (onnx, lite)] == [False, True]
    assert not any(CPU.concerns(p) for p in (onnx, lite))


def test_choosing_imports_no_runtime() -> None:
    code = "import sys; import sensorium_agent.infer.runtime.model; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()

    assert not {"onnxruntime", "ai_edge_litert", "tflite_runtime", "cv2"} & set(loaded)


# --- running -----------------------------------------------------------------------------


def test_a_delegate_runs_the_model_with_unchanged_results(tiny: Path, tmp_path: Path) -> None:
    library = compiled(tmp_path)
    net = load(tiny, accelerator=Accelerator.parse(f"delegate:{library},device=usb"))

    assert net.runs_on == f"delegate:{library},device=usb"
    np.testing.assert_array_equal(answers(tiny, f"delegate:{library}"), answers(tiny, "cpu"))


def test_threads_of_xnnpack_change_no_result(tiny: Path) -> None:
    np.testing.assert_array_equal(answers(tiny, "xnnpack:2"), answers(tiny, "cpu"))


def test_litert_runs_without_xnnpack_too(tiny: Path) -> None:
    assert load(tiny, accelerator=Accelerator.parse("builtin")).runs_on == "builtin"
    np.testing.assert_allclose(answers(tiny, "builtin"), answers(tiny, "cpu"), atol=0.05)


@pytest.mark.parametrize(("wrong", "said"), [("REFUSE", "no such device on the bus"), ("FAIL", "refuses tiny.tflite")])
def test_a_delegate_that_cannot_leaves_the_work_to_the_processor_and_says_so_once(
    wrong: str, said: str, tiny: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    library = compiled(tmp_path, wrong)

    np.testing.assert_array_equal(answers(tiny, f"delegate:{library}"), answers(tiny, "cpu"))
    answers(tiny, f"delegate:{library}")

    (warning,) = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert warning.startswith(f"accelerator.fallback wanted=delegate:{library} runs_on=cpu why=")
    assert said in warning


@pytest.mark.parametrize("library", ["/nowhere/libedgetpu.so.1", "libm.so.6"])
def test_a_library_that_is_missing_or_no_delegate_is_named(
    library: str, tiny: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert load(tiny, accelerator=Accelerator.parse(f"delegate:{library}")).runs_on == "cpu"
    assert f"{library}: cannot be loaded" in caplog.text


def test_an_onnx_provider_that_is_missing_is_named_with_the_way_to_get_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = identity_onnx(tmp_path / "same.onnx")
    net = load(path, accelerator=Accelerator.parse("cuda"))

    (answer,) = net.run(np.ones((1, 2), np.float32))

    assert net.runs_on == "cpu"
    assert answer.tolist() == [[1, 1]]
    assert "no CUDAExecutionProvider: pip install onnxruntime-gpu" in caplog.text


@pytest.mark.needs_models
def test_a_small_network_runs_on_the_processor_where_the_runtime_of_its_accelerator_is_missing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)

    net = load(store.path("device_fusion"), accelerator=Accelerator.parse("cuda"))

    assert net.runs_on == "cpu"
    assert "no ONNX Runtime here: pip install" in caplog.text


def test_an_accelerator_that_fails_while_it_runs_loses_no_answer(caplog: pytest.LogCaptureFixture, tiny: Path) -> None:
    class Broken:
        inputs = outputs = ()
        runs_on = "delegate:x.so"

        def run(self, *_: np.ndarray) -> list[np.ndarray]:
            raise model.ModelError("the device is gone")

        def reset(self) -> None:
            """Nothing."""

    net = model._Accelerated(Broken(), Accelerator.parse("delegate:x.so"), lambda: load(tiny))
    (first,) = inputs(1)

    np.testing.assert_array_equal(net.run(first)[0], load(tiny).run(first)[0])
    assert net.runs_on == "cpu"
    assert "the device is gone" in caplog.text


def test_a_model_says_what_it_takes_and_gives(tiny: Path, tmp_path: Path) -> None:
    net = load(tiny)
    onnx = load(identity_onnx(tmp_path / "same.onnx"))

    assert [(p.dtype, p.shape) for p in (*net.inputs, *net.outputs)] == [("float32", (1, 4)), ("float32", (1, 3))]
    assert [(p.dtype, p.shape) for p in (*onnx.inputs, *onnx.outputs)] == [("float32", (-1, 2)), ("float32", (-1, 2))]


def identity_onnx(path: Path) -> Path:
    from onnx import TensorProto, helper, save

    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 2]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "same", [x], [y])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), str(path))
    return path
