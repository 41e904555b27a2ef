"""Samples, and the events understood from them: the nouns both sides share.

Every time is in nanoseconds of the device's monotonic clock unless a name says otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sensorium.value import Value

NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


class Modality(StrEnum):
    """A sense. The order is the one every table and tensor in the project uses."""

    VIDEO = "video"
    AUDIO = "audio"
    TEXT = "text"
    GESTURE = "gesture"
    HAPTIC = "haptic"
    BIOMETRIC = "biometric"


# --- what sensors give -----------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture: ``pixels`` is uint8 [height, width, 3], RGB."""

    pixels: npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Sound:
    """A run of mono audio: ``pcm`` is int16 [n], ``rate_hz`` samples a second."""

    pcm: npt.NDArray[np.int16]
    rate_hz: int


@dataclass(frozen=True, slots=True)
class Text:
    """One line a person wrote or said."""

    line: str


class TouchPhase(StrEnum):
    """What a finger does at this instant."""

    DOWN = "down"
    MOVE = "move"
    UP = "up"


@dataclass(frozen=True, slots=True)
class Touch:
    """One finger at one instant; ``x`` to the right and ``y`` down, in units of the pad's width."""

    pointer: int
    phase: TouchPhase
    x: float
    y: float
    pressure: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Pulse:
    """A run of a raw photoplethysmogram: ``values`` is float32 [n] in arbitrary units."""

    values: npt.NDArray[np.float32]
    rate_hz: float


@dataclass(frozen=True, slots=True, eq=False)
class Intervals:
    """Times between heart beats, oldest first: ``ms`` is float32 [n]; the last beat is at the sample's time."""

    ms: npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Conductance:
    """A run of skin conductance: ``values`` is float32 [n] in microsiemens."""

    values: npt.NDArray[np.float32]
    rate_hz: float


@dataclass(frozen=True, slots=True)
class Labelled:
    """What another device has understood by itself; ``score``, ``quality`` and ``span_ns`` as those of an `Event`."""

    label: str
    score: float = 1.0
    quality: float = 1.0
    span_ns: int = 0


Payload = Frame | Sound | Text | Touch | Pulse | Intervals | Conductance | Labelled


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Raw data of one sense at one instant, or over a span that ends at that instant.

    Attributes:
        modality: the sense of the *sensor*: a camera gives ``VIDEO`` samples, from which both video
            and gesture events come.
        source: name of the sensor, as in the configuration.
        sequence: counts the source's samples from 0; a gap is a loss.
        at_ns: when the data was complete (end of the audio run, exposure of the frame).
        at_error_ns: half width of the interval that holds the true instant.
    """

    modality: Modality
    source: str
    sequence: int
    at_ns: int
    data: Payload
    at_error_ns: int = 0


# --- what was understood ---------------------------------------------------------------


class DType(StrEnum):
    """How the numbers of a tensor travel."""

    F32 = "f32"
    F16 = "f16"
    I8 = "i8"


_NUMPY: Final[Mapping[DType, str]] = {DType.F32: "<f4", DType.F16: "<f2", DType.I8: "<i1"}


class Tensor(Value, frozen=True):
    """Numbers as bytes: little-endian, C order; value = stored * ``scale``.

    Held as bytes and not as an array, so that events and windows are values: they compare, and
    the same events give the same bytes.
    """

    data: bytes
    shape: tuple[int, ...]
    dtype: DType = DType.F32
    scale: float = 1.0

    @classmethod
    def of(cls, values: npt.ArrayLike, dtype: DType = DType.F32) -> Tensor:
        """Pack ``values`` (any shape, finite); ``I8`` picks the scale from the largest magnitude."""
        array = np.asarray(values, np.float32)
        if dtype is not DType.I8:
            return cls(array.astype(_NUMPY[dtype]).tobytes(), array.shape, dtype)
        scale = float(np.abs(array).max(initial=0.0)) / 127.0 or 1.0
        # In binary32 a tiny scale rounds away, and the quotient wraps around.
        return cls(np.rint(array.astype(np.float64) / scale).astype("<i1").tobytes(), array.shape, dtype, scale)

    def array(self) -> npt.NDArray[np.float32]:
        """The numbers as float32 of ``shape``."""
        stored: npt.NDArray[Any] = np.frombuffer(self.data, _NUMPY[self.dtype]).reshape(self.shape)
        return (stored.astype(np.float32) * np.float32(self.scale)).astype(np.float32)

    @property
    def item_bytes(self) -> int:
        """Bytes of one number."""
        return np.dtype(_NUMPY[self.dtype]).itemsize


def joined(tensors: Sequence[Tensor]) -> npt.NDArray[np.float32]:
    """The numbers of tensors of any shape, one after the other, as float32 [n]."""
    kinds = {tensor.dtype for tensor in tensors}
    if len(kinds) != 1:  # of devices that are set up in different ways
        return np.concatenate([np.zeros(0, np.float32), *(tensor.array().reshape(-1) for tensor in tensors)])
    stored: npt.NDArray[Any] = np.frombuffer(b"".join([tensor.data for tensor in tensors]), _NUMPY[kinds.pop()])
    numbers = stored.astype(np.float32)
    scales = [tensor.scale for tensor in tensors]
    if scales.count(1.0) < len(scales):
        numbers *= np.repeat(np.asarray(scales, np.float32), [math.prod(tensor.shape) for tensor in tensors])
    return numbers


class Media(Value, frozen=True):
    """A piece of the original: it leaves the device only where the egress policy says so."""

    content_type: str
    data: bytes


class Event(Value, frozen=True):
    """What was understood from samples of one sense.

    Attributes:
        modality: the sense.
        stream_id: ``{modality}_{session}``, or with the source's name where a sense has several.
        sequence: counts the stream's events from 0.
        session_id: whom or what this belongs to.
        at_ns: when the evidence was complete, on the device's monotonic clock.
        at_error_ns: half width of the interval that holds the true instant.
        span_ns: how far the evidence reaches back from ``at_ns``.
        label: what was recognised; None where something is there and no label fits.
        score: probability of the label, 0 to 1.
        quality: how far the signal itself can be trusted, 0 to 1 (blur, noise, contact).
        features: float vector [D], or None.
        text: the words, for text and recognised speech.
        media: a keyframe or clip, if kept.
        metadata: whatever else a person may want to see.
    """

    modality: Modality
    stream_id: str
    sequence: int
    session_id: str
    at_ns: int
    at_error_ns: int = 0
    span_ns: int = 0
    label: str | None = None
    score: float = 0.0
    quality: float = 1.0
    features: Tensor | None = None
    text: str | None = None
    media: Media | None = None
    metadata: Mapping[str, str] = NOTHING


class EventStream:
    """Numbers the events of one stream of a session."""

    def __init__(self, session_id: str, modality: Modality, source: str = "") -> None:
        self.session_id = session_id
        self.modality = modality
        self.stream_id = "_".join(part for part in (modality, source, session_id) if part)
        self._next = 0

    def event(self, at_ns: int, **what: Any) -> Event:
        """The stream's next event; ``what`` are further fields of `Event`."""
        number, self._next = self._next, self._next + 1
        return Event(self.modality, self.stream_id, number, self.session_id, at_ns, **what)
