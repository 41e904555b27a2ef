"""Measures frame_embedding: against PyTorch, in batches, in time.

    python -m sensorium_models fetch && python -m sensorium_models fetch-media
    python models/build/frame.py

The comparison needs ``pip install torch efficientnet-lite-pytorch``; the rest is printed without.
"""

from __future__ import annotations

import sys
import time

import cv2
import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from sensorium_models import media, store

Floats = npt.NDArray[np.float32]


def photos() -> Floats:
    """The sample photos as float32 [n, 3, 224, 224], RGB from 0 to 1."""
    pictures = [cv2.imread(str(media.path(name))) for name in media.names() if name.endswith(".jpg")]
    resized = [cv2.resize(picture, (224, 224), interpolation=cv2.INTER_AREA)[:, :, ::-1] for picture in pictures]
    return (np.stack(resized).astype(np.float32) / 255).transpose(0, 3, 1, 2)


def cosines(a: Floats, b: Floats) -> Floats:
    """Row by row."""
    return np.asarray((a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1), np.float32)


def reference(pixels: Floats) -> Floats:
    """The same by PyTorch, from the same checkpoint."""
    import torch
    from efficientnet_lite_pytorch import EfficientNet

    net = EfficientNet.from_name("efficientnet-lite0")
    net.load_state_dict(torch.load(store.path("efficientnet_lite0_checkpoint"), weights_only=True))
    net.eval()
    with torch.no_grad():
        features = net.extract_features((torch.from_numpy(pixels) * 255 - 127) / 128)
    return np.asarray(features.mean(dim=(2, 3)).numpy(), np.float32)


def main() -> int:
    """Print every figure on a line of its own."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    path = store.path("frame_embedding")
    net = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    pixels = photos()
    whole = net.run(None, {"pixels": pixels})[0]
    begin = time.thread_time()
    single = np.concatenate([net.run(None, {"pixels": picture[None]})[0] for picture in pixels])
    print(f"size {path.stat().st_size / 1e6:.1f} MB, {(time.thread_time() - begin) / len(pixels) * 1e3:.1f} ms of CPU")
    print(f"one by one against one batch of {len(pixels)}: largest difference {np.abs(whole - single).max():.1e}")
    unit = whole / np.linalg.norm(whole, axis=1, keepdims=True)
    others = (unit @ unit.T)[~np.eye(len(unit), dtype=bool)]
    print(f"cosine between different photos: median {np.median(others):.2f}, highest {others.max():.2f}")
    try:
        expected = reference(pixels)
    except ModuleNotFoundError as error:
        print(f"no comparison with PyTorch: {error.name} is not installed")
        return 0
    print(f"against PyTorch: cosine >= {cosines(whole, expected).min():.6f}, largest difference "
          f"{np.abs(whole - expected).max():.1e} of values up to {expected.max():.1f}")  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
