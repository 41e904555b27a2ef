"""The checkpoint reader runs no code, and the frame recipe gives the manifest's bytes."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from sensorium_models import store
from sensorium_models.checkpoint import CheckpointError, read_checkpoint
from sensorium_models.convert_frame import frame_embedding
from sensorium_models.store import sha256


class _Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("false",)


def test_a_checkpoint_that_names_code_is_refused_before_it_runs(tmp_path: Path) -> None:
    path = tmp_path / "evil.pth"
    path.write_bytes(pickle.dumps(_Bomb()))

    with pytest.raises(CheckpointError, match=r"asks for (posix|os)\.system, which no weights need"):
        read_checkpoint(path)


@pytest.mark.parametrize("content", [b"", b"not a pickle", pickle.dumps(42)])
def test_what_is_no_checkpoint_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "odd.pth"
    path.write_bytes(content)

    with pytest.raises(CheckpointError, match="not a legacy PyTorch checkpoint"):
        read_checkpoint(path)


@pytest.mark.needs_models
def test_reads_tensors_with_their_shapes_and_strides() -> None:
    tensors = read_checkpoint(store.path("efficientnet_lite0_checkpoint"))

    assert tensors["_conv_stem.weight"].shape == (32, 3, 3, 3)
    assert tensors["_fc.weight"].shape == (1000, 1280)
    assert tensors["_bn0.num_batches_tracked"].dtype == np.int64
    assert (tensors["_bn0.running_var"] >= 0).all()
    assert all(tensor.flags.c_contiguous for tensor in tensors.values())


@pytest.mark.needs_models
def test_the_same_checkpoint_gives_the_same_bytes(tmp_path: Path) -> None:
    frame_embedding(store.path("efficientnet_lite0_checkpoint"), tmp_path / "made.onnx")

    assert sha256(tmp_path / "made.onnx") == store.entry("frame_embedding").sha256


@pytest.mark.needs_models
def test_a_frames_embedding_does_not_depend_on_its_batch() -> None:
    import onnxruntime as ort

    net = ort.InferenceSession(str(store.path("frame_embedding")), providers=["CPUExecutionProvider"])
    frames = np.random.default_rng(1).random((3, 3, 224, 224), np.float32)

    (together,) = net.run(None, {"pixels": frames})
    (alone,) = net.run(None, {"pixels": frames[1:2]})

    assert together.shape == (3, 1280)
    np.testing.assert_allclose(together[1:2], alone, atol=1e-5)
    assert ((together >= 0) & (together <= 6)).all()
