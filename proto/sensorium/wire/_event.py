"""Tensors, media and events as protobuf."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from sensorium import limits
from sensorium.errors import FieldError
from sensorium.event import NOTHING, DType, Event, Media, Modality, Tensor
from sensorium.v1 import event_pb2 as pb
from sensorium.wire._checks import (
    SURELY_NAME,
    at_least,
    at_most,
    inverse,
    label,
    member,
    name,
    numbers,
    text,
    unit,
    within,
)

MODALITY_NUMBER = numbers("MODALITY", Modality, pb.Modality)
MODALITY = inverse(MODALITY_NUMBER)
_DTYPE_NUMBER = numbers("D_TYPE", DType, pb.DType)
_DTYPE = inverse(_DTYPE_NUMBER)
_STORED: Final[dict[DType, np.dtype[Any]]] = {
    DType.F32: np.dtype("<f4"),
    DType.F16: np.dtype("<f2"),
    DType.I8: np.dtype("<i1"),
}
_ITEM_BYTES: Final = {dtype: stored.itemsize for dtype, stored in _STORED.items()}
_LARGEST_F32: Final = float(np.finfo(np.float32).max)
_EXPONENTS: Final = {DType.F32: 0x7F, DType.F16: 0x7C, DType.I8: 0x100}
"""The bits of the exponent in a number's highest byte: all 1 if it is infinite or not a number (IEEE 754, 3.4)."""
_MARKED: Final = {dtype: bytes(high & bits == bits for high in range(256)) for dtype, bits in _EXPONENTS.items()}
"""1 in place of a highest byte whose number is not surely finite, else 0."""


def tensor_to_proto(tensor: Tensor) -> pb.Tensor:
    """The tensor's message."""
    return pb.Tensor(data=tensor.data, shape=tensor.shape, dtype=_DTYPE_NUMBER[tensor.dtype], scale=tensor.scale)


def tensor_from_proto(message: pb.Tensor) -> Tensor:
    """The message's tensor, its numbers left packed.

    Raises:
        FieldError: too large, not as long as its shape says, or not finite as binary32.
    """
    dtype = _DTYPE.get(message.dtype) or member("dtype", message.dtype, _DTYPE)
    shape = tuple(message.shape[:])
    if len(shape) > limits.TENSOR_DIMENSIONS:
        raise FieldError("shape", f"at most {limits.TENSOR_DIMENSIONS} dimensions, not {len(shape)}")
    count = math.prod(shape)
    if count > limits.TENSOR_NUMBERS:
        raise FieldError("shape", f"at most {limits.TENSOR_NUMBERS} numbers, not {count}")
    data, item_bytes, scale = message.data, _ITEM_BYTES[dtype], message.scale
    if len(data) != count * item_bytes:
        raise FieldError("data", f"{count * item_bytes} bytes for {dtype} {list(shape)}, not {len(data)}")
    if not 0.0 < scale <= _LARGEST_F32:
        raise FieldError("scale", f"above 0 and finite as binary32, not {scale:g}")
    tensor = Tensor(data, shape, dtype, scale)
    # A look at each number's highest byte takes half the time of NumPy's at the number, and is nearly always enough.
    if (1 in data[item_bytes - 1 :: item_bytes].translate(_MARKED[dtype]) or scale > 1.0) and not _is_finite(tensor):
        raise FieldError("data", "only numbers that are finite as binary32, after scaling")
    return tensor


def _is_finite(tensor: Tensor) -> bool:
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(tensor.array()).all())


def media_to_proto(media: Media) -> pb.Media:
    """The media's message."""
    return pb.Media(content_type=media.content_type, data=media.data)


def media_from_proto(message: pb.Media) -> Media:
    """The message's media.

    Raises:
        FieldError: no MIME type, or larger than may travel.
    """
    if len(message.data) > limits.MEDIA_BYTES:
        raise FieldError("data", f"at most {limits.MEDIA_BYTES} bytes, not {len(message.data)}")
    return Media(name("content_type", message.content_type), message.data)


def event_to_proto(event: Event) -> pb.Event:
    """The event's message."""
    return pb.Event(
        modality=MODALITY_NUMBER[event.modality],
        stream_id=event.stream_id,
        sequence=event.sequence,
        session_id=event.session_id,
        at_ns=event.at_ns,
        at_error_ns=event.at_error_ns,
        span_ns=event.span_ns,
        label=event.label,
        score=event.score + 0.0,  # -0.0 equals 0.0 and must give the same bytes
        quality=event.quality + 0.0,
        features=None if event.features is None else tensor_to_proto(event.features),
        text=event.text,
        media=None if event.media is None else media_to_proto(event.media),
        metadata=event.metadata,
    )


def event_from_proto(message: pb.Event) -> Event:
    """The message's event.

    Raises:
        FieldError: a value is not what the contract promises.
    """
    has = message.HasField
    metadata = message.metadata
    stream_id, session_id = message.stream_id, message.session_id
    at_error_ns, span_ns, score, quality = message.at_error_ns, message.span_ns, message.score, message.quality
    recognised = message.label if has("label") else None
    modality = MODALITY.get(message.modality)
    # One look at what is nearly always right; whoever is wrong, or long, is looked at field by field.
    if not (
        modality is not None
        and 0 < len(stream_id) <= SURELY_NAME
        and 0 < len(session_id) <= SURELY_NAME
        and at_error_ns >= 0
        and span_ns >= 0
        and 0.0 <= score <= 1.0
        and 0.0 <= quality <= 1.0
        and (recognised is None or len(recognised) <= SURELY_NAME)
    ):
        modality = _checked(message)
    features = within("features", message.features, tensor_from_proto) if has("features") else None
    if features is not None and len(features.shape) != 1:
        raise FieldError("features.shape", f"one dimension, not {list(features.shape)}")
    return Event(
        modality,
        stream_id,
        message.sequence,
        session_id,
        message.at_ns,
        at_error_ns,
        span_ns,
        recognised,
        score,
        quality,
        features,
        text("text", message.text) if has("text") else None,
        within("media", message.media, media_from_proto) if has("media") else None,
        _metadata(dict(metadata)) if metadata else NOTHING,
    )


def _checked(message: pb.Event) -> Modality:
    """The modality of an event whose plain fields are all right, in the order of the contract."""
    modality = member("modality", message.modality, MODALITY)
    name("stream_id", message.stream_id)
    name("session_id", message.session_id)
    at_least(0, "at_error_ns", message.at_error_ns)
    at_least(0, "span_ns", message.span_ns)
    label("label", message.label)
    unit("score", message.score)
    unit("quality", message.quality)
    return modality


def _metadata(entries: dict[str, str]) -> dict[str, str]:
    """Few and short entries; a key that is too long is not repeated in the error."""
    at_most(limits.METADATA_ENTRIES, "metadata", entries)
    for key, value in entries.items():
        label("metadata", key)
        text(f'metadata["{key}"]', value)
    return entries
