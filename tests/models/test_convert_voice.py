"""Voice activity on LiteRT says what the published network says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sensorium_agent.infer.runtime.model import load
from sensorium_models import store
from sensorium_models.convert_voice import NotSilero, voice_activity

RATE = np.array(16_000)


@pytest.mark.needs_models
def test_the_converted_network_gives_the_published_ones_answers() -> None:
    rng = np.random.default_rng(0)
    published, ours = (load(store.path(name)) for name in ("silero_vad", "voice_activity"))
    their_state = our_state = np.zeros((2, 1, 128), np.float32)
    for block in range(50):
        loud = 0.3 * (block % 5) / 4
        sound = (loud * np.sin(np.arange(576) * (0.02 + block / 100)) + rng.normal(0, 0.01, 576)).astype(np.float32)
        theirs, their_state = published.run(sound[None], their_state, RATE)
        own, our_state = ours.run(sound[None], our_state, RATE)

        np.testing.assert_allclose(own, theirs, atol=1e-4)
        np.testing.assert_allclose(our_state, their_state, atol=1e-3)


def test_another_network_is_refused_in_one_line(tmp_path: Path) -> None:
    from onnx import TensorProto, helper, save

    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "other", [value], [])
    save(helper.make_model(graph), str(tmp_path / "other.onnx"))

    with pytest.raises(NotSilero, match=r"other\.onnx: not the network that was expected"):
        voice_activity(tmp_path / "other.onnx", tmp_path / "out.tflite")
    assert not (tmp_path / "out.tflite").exists()
