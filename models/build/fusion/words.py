"""What classes mean in words, as points of the sentence space: the anchors a network is trained towards."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from models.build.fusion.dataset import Floats

_EVEN = 0.3


def anchors(descriptions: Sequence[str]) -> tuple[Floats, str]:
    """Unit vectors [K, 384] for the descriptions, and where they come from.

    Descriptions of one vocabulary share most of what they say ("a person draws ..."). That is taken off, and the
    directions in which they differ are brought closer to each other in size (singular values to the power of 0.3), so
    that two which differ in one word are not the same point. Without the sentence encoder's files the anchors are at
    right angles.
    """
    rows, source = _encoded(descriptions)
    centred = rows - rows.mean(axis=0) if len(rows) > 1 else rows
    left, sizes, right = np.linalg.svd(centred, full_matrices=False)
    spread = np.where(sizes > 1e-6 * sizes.max(initial=1e-12), sizes, 0) ** _EVEN
    evened = (left * np.where(sizes > 1e-6 * sizes.max(initial=1e-12), spread, 0)) @ right
    lengths = np.linalg.norm(evened, axis=1, keepdims=True)
    return np.asarray(evened / np.maximum(lengths, 1e-12), np.float32), source


def _encoded(descriptions: Sequence[str]) -> tuple[Floats, str]:
    from sensorium.errors import SensoriumError
    from sensorium_models import store

    try:
        model, tokenizer = store.path("sentence_embedding"), store.path("sentence_tokenizer")
    except SensoriumError:
        return np.eye(len(descriptions), 384, dtype=np.float32), "right angles (no sentence encoder was there)"
    from sensorium_cloud.encode.encoders import SentenceEncoder

    return SentenceEncoder(model, tokenizer).encode(descriptions), "sentence embeddings of the descriptions"
