"""What crosses to a replica and back: windows and symbols as MessagePack, vectors as arrays.

Front and replica have the same version, so that nothing has to be said that both know: as the contract's messages, or
pickled, both would take five times as long. Arrays cross by Ray's object store from 100 KB on, where a replica on the
same machine reads them in place. Media stay behind: fusion looks at vectors only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from sensorium.concepts import Vocabulary
from sensorium.symbol import Symbol
from sensorium.window import Slot, Window
from sensorium_cloud.encode.encoders import FRAME_WIDTH, SENTENCE_WIDTH, EncodedWindow

Floats = npt.NDArray[np.float32]

_encode: Final = msgspec.msgpack.Encoder(enc_hook=dict).encode  # metadata may be a mapping of any kind
_windows: Final = msgspec.msgpack.Decoder(list[Window])
_symbols: Final = msgspec.msgpack.Decoder(list[Symbol])


@dataclass(frozen=True, slots=True, eq=False)
class Blobs:
    """Some byte strings behind each other, as uint8 [sum of lengths] and int64 [n]."""

    data: npt.NDArray[np.uint8]
    lengths: npt.NDArray[np.int64]

    @classmethod
    def of(cls, blobs: Sequence[bytes]) -> Blobs:
        """``blobs``, in order."""
        return cls(np.frombuffer(b"".join(blobs), np.uint8), np.asarray([len(blob) for blob in blobs], np.int64))

    def each(self) -> list[bytes]:
        """The byte strings, in order."""
        ends = np.cumsum(self.lengths)
        return [self.data[end - length : end].tobytes() for end, length in zip(ends, self.lengths, strict=True)]


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Vectors float32 [r, width] of events intp [r, 2]: the window's place in its batch, the event's in its slot."""

    vectors: Floats
    events: npt.NDArray[np.intp]

    @classmethod
    def of(cls, parts: Sequence[tuple[Floats | None, Sequence[int]]], width: int) -> Rows:
        """Vectors and event numbers of each window of a batch; None where it has none."""
        vectors = [rows for rows, _ in parts if rows is not None]
        events = [
            (place, number) for place, (rows, numbers) in enumerate(parts) if rows is not None for number in numbers
        ]
        joined = np.concatenate(vectors) if vectors else np.zeros((0, width), np.float32)
        return cls(joined, np.asarray(events, np.intp).reshape(-1, 2))

    def each(self, count: int) -> list[tuple[Floats | None, tuple[int, ...]]]:
        """What `of` was given for ``count`` windows."""
        found: list[tuple[Floats | None, tuple[int, ...]]] = []
        for place in range(count):
            own = self.events[:, 0] == place
            numbers = tuple(self.events[own, 1].tolist())
            found.append((self.vectors[own] if numbers else None, numbers))
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Parcel:
    """A batch of encoded windows.

    Attributes:
        windows: without media, in MessagePack.
        text, frames: what the encoders made.
        encode_ms: float64 [n], time they took.
        vocabularies: those other than the service's own.
        spoken: intp [n], which of them each window is understood by; -1 is the service's own.
    """

    windows: bytes
    text: Rows
    frames: Rows
    encode_ms: npt.NDArray[np.float64]
    vocabularies: tuple[Vocabulary, ...]
    spoken: npt.NDArray[np.intp]


def packed(batch: Sequence[EncodedWindow]) -> Parcel:
    """``batch`` as it crosses."""
    vocabularies = tuple(dict.fromkeys(e.vocabulary for e in batch if e.vocabulary is not None))
    spoken = [-1 if e.vocabulary is None else vocabularies.index(e.vocabulary) for e in batch]
    return Parcel(
        _encode([without_media(e.window) for e in batch]),
        Rows.of([(e.text, e.text_events) for e in batch], SENTENCE_WIDTH),
        Rows.of([(e.frames, e.frame_events) for e in batch], FRAME_WIDTH),
        np.asarray([e.encode_ms for e in batch], np.float64),
        vocabularies,
        np.asarray(spoken, np.intp),
    )


def unpacked(parcel: Parcel) -> list[EncodedWindow]:
    """The batch that was packed."""
    windows = list(map(_as_made, _windows.decode(parcel.windows)))
    text, frames = parcel.text.each(len(windows)), parcel.frames.each(len(windows))
    return [
        EncodedWindow(
            window,
            text[place][0],
            frames[place][0],
            float(parcel.encode_ms[place]),
            text[place][1],
            frames[place][1],
            parcel.vocabularies[parcel.spoken[place]] if parcel.spoken[place] >= 0 else None,
        )
        for place, window in enumerate(windows)
    ]


def _as_made(window: Window) -> Window:
    """With tuples of events, as windows are made; MessagePack has lists only."""
    return replace(
        window, slots=tuple(Slot(s.modality, s.presence, tuple(s.events), s.age_ns, s.offset_ns) for s in window.slots)
    )


def told(symbols: Sequence[Symbol]) -> bytes:
    """``symbols`` as they cross."""
    return _encode(symbols)


def heard(message: bytes) -> list[Symbol]:
    """The symbols that were told."""
    return _symbols.decode(message)


def without_media(window: Window) -> Window:
    """``window`` less its pictures and clips."""
    if not any(event.media for slot in window.slots for event in slot.events):
        return window
    slots = (replace(s, events=tuple(replace(e, media=None) for e in s.events)) for s in window.slots)
    return replace(window, slots=tuple(slots))
