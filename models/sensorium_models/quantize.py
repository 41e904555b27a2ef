"""The hand models as a device wants them: int8 weights, made from the float16 files of the mediapipe wheel.

The wheel's files keep their weights as float16 behind DEQUANTIZE and have no signature; ai-edge-quantizer wants
float32 constants and a signature, so both models are `folded` first. Activation ranges were measured on photos of hands
by ``models/build/hands.py`` and are committed, so that set-up needs no pictures and gives the same bytes everywhere.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sensorium.errors import SensoriumError

SIGNATURE: Final = "serving_default"
Ranges = Mapping[str, tuple[float, float]]

# Everything of the landmark model that runs before its heads. In int8 the heads (four small matrices and two
# logistic functions) lose the handedness and 24 mm of the hand's depth, and save nothing.
# The input too: with its range of 0 to 1 an int8 pixel is the camera's own less 128, and nothing is converted.
_BODY: Final = ("INPUT", "CONV_2D", "DEPTHWISE_CONV_2D", "ADD", "MAX_POOL_2D", "MEAN")
_RANGES: Final = Path(__file__).with_name("hand_landmark_ranges.json")


class QuantizeError(SensoriumError):
    """A file from a package is not the model that was expected."""


def palm_detection(raw: Path, out: Path) -> None:
    """Write the palm detector with int8 weights and float32 activations.

    With int8 activations it loses every fourth palm: a box of 192 pixels needs more than 256 steps.

    Raises:
        QuantizeError: ``raw`` is not a LiteRT model.
    """
    quantizer = _quantizer(folded(_read(raw)))
    for operation in ("CONV_2D", "DEPTHWISE_CONV_2D"):
        quantizer.add_weight_only_config(".*", operation, num_bits=8)
    _write(quantizer.quantize(enable_progress_report=False).quantized_model, out)


def hand_landmark(raw: Path, out: Path) -> None:
    """Write the landmark model with an int8 body and float32 heads.

    Raises:
        QuantizeError: ``raw`` is not the landmark model whose ranges are committed.
    """
    ranges = {name: (low, high) for name, (low, high) in json.loads(_RANGES.read_text())["ranges"].items()}
    _write(with_int8_body(folded(_read(raw)), ranges), out)


def with_int8_body(model: bytes, ranges: Ranges) -> bytes:
    """A folded landmark model quantized with the least and greatest value seen of each activation."""
    quantizer = _quantizer(model)
    _ask_for_int8_body(quantizer)
    limits = {name: {"min": np.array(low), "max": np.array(high)} for name, (low, high) in ranges.items()}
    try:
        with warnings.catch_warnings():  # the quantizer asks for every tensor, and is warned that this takes memory
            warnings.filterwarnings("ignore", message=".*experimental_preserve_all_tensors")
            return bytes(quantizer.quantize(limits, enable_progress_report=False).quantized_model)
    except (KeyError, ValueError) as error:
        raise QuantizeError(
            f"no ranges committed for this landmark model ({error}): see models/build/hands.py"
        ) from error


def measured_ranges(model: bytes, crops: Iterable[npt.NDArray[np.float32]]) -> dict[str, tuple[float, float]]:
    """Least and greatest value of each activation of a folded model over ``crops`` ([1, 224, 224, 3], 0 to 1)."""
    from ai_edge_quantizer import calibrator, recipe_manager
    from ai_edge_quantizer.utils import qsv_utils

    # The default moving average clips the ranges: 7 to 12 points of the landmarks lost, handedness broken.
    meter = calibrator.Calibrator(model, num_threads=1, qsv_update_func=qsv_utils.min_max_update)
    recipe = recipe_manager.RecipeManager()
    _ask_for_int8_body(recipe)
    meter.calibrate({SIGNATURE: [{"input_1": crop} for crop in crops]}, recipe)
    seen = meter.get_model_qsvs()
    return {
        name: (float(np.min(seen[name]["min"])), float(np.max(seen[name]["max"])))
        for name in sorted(_activations(model))
        if seen.get(name)
    }


def _ask_for_int8_body(recipe: Any) -> None:
    for operation in _BODY:
        recipe.add_static_config(".*", operation, activation_num_bits=8, weight_num_bits=8)


def folded(model: bytes) -> bytes:
    """The same network with float32 constants in place of float16 behind DEQUANTIZE, and with a signature."""
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.tools import flatbuffer_utils

    try:
        net = schema.ModelT.InitFromPackedBuf(model, 0)
        (graph,) = net.subgraphs
    except Exception as error:  # flatbuffers checks nothing: a damaged file may raise whatever it likes
        raise QuantizeError("not a LiteRT model with one graph; run: sensorium models fetch") from error
    for code in net.operatorCodes:  # the old field for the kind of operator is one the quantizer does not read
        code.builtinCode = max(code.builtinCode, code.deprecatedBuiltinCode)
    for operator in list(graph.operators):
        if net.operatorCodes[operator.opcodeIndex].builtinCode == schema.BuiltinOperator.DEQUANTIZE:
            _fold(net, graph, operator)
    _drop_unused_tensors(graph)
    _sign(net, graph)
    return bytes(flatbuffer_utils.convert_object_to_bytearray(net))


def _fold(net: Any, graph: Any, operator: Any) -> None:
    """Give the output of one DEQUANTIZE the constant it would compute."""
    from ai_edge_litert import schema_py_generated as schema

    source, target = graph.tensors[operator.inputs[0]], graph.tensors[operator.outputs[0]]
    stored = net.buffers[source.buffer].data
    if source.type != schema.TensorType.FLOAT16 or stored is None:
        return
    values = np.frombuffer(bytes(stored), "<f2").astype("<f4")
    net.buffers[source.buffer].data = np.frombuffer(values.tobytes(), np.uint8)
    target.buffer = source.buffer
    graph.operators.remove(operator)


def _drop_unused_tensors(graph: Any) -> None:
    """The float16 tensors are nobody's any more, and the calibrator would stumble over them."""
    ends = [graph.inputs, graph.outputs, *(o.inputs for o in graph.operators), *(o.outputs for o in graph.operators)]
    used = sorted({int(index) for indices in ends for index in indices if index >= 0})
    place = {-1: -1} | {old: new for new, old in enumerate(used)}

    def moved(indices: Iterable[int]) -> npt.NDArray[np.int32]:
        return np.array([place[int(index)] for index in indices], np.int32)

    graph.tensors = [graph.tensors[index] for index in used]
    graph.inputs, graph.outputs = moved(graph.inputs), moved(graph.outputs)
    for operator in graph.operators:
        operator.inputs, operator.outputs = moved(operator.inputs), moved(operator.outputs)


def _sign(net: Any, graph: Any) -> None:
    from ai_edge_litert import schema_py_generated as schema

    def named(index: int) -> Any:
        entry = schema.TensorMapT()
        entry.name, entry.tensorIndex = graph.tensors[index].name, index
        return entry

    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = SIGNATURE, 0
    signature.inputs = [named(i) for i in graph.inputs]
    signature.outputs = [named(i) for i in graph.outputs]
    net.signatureDefs = [signature]


def _activations(model: bytes) -> set[str]:
    from ai_edge_litert import schema_py_generated as schema

    net = schema.ModelT.InitFromPackedBuf(model, 0)
    graph = net.subgraphs[0]
    return {graph.tensors[i].name.decode() for o in graph.operators for i in o.outputs} | {
        graph.tensors[i].name.decode() for i in graph.inputs
    }


def _quantizer(model: bytes) -> Any:
    from ai_edge_quantizer import quantizer

    return quantizer.Quantizer(model)


def _read(path: Path) -> bytes:
    return path.read_bytes()


def _write(model: bytes, out: Path) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(model)
