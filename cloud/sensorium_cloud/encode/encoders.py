"""Encoders: the words and pictures of a window become vectors.

A row never depends on what else was waiting: pictures run through their net one at a time, sentences with others of
their length. What was encoded lately is remembered, because a stale slot repeats its last event in every window until
it is forgotten.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from sensorium.concepts import Vocabulary
from sensorium.event import Event, Modality
from sensorium.symbol import ModelRef
from sensorium.value import Value
from sensorium.window import Window
from sensorium_cloud.runtime.net import ModelError, Net, Provider, Sizes

log = logging.getLogger(__name__)

Floats = npt.NDArray[np.float32]
K = TypeVar("K", bound=Hashable)

SENTENCE_WIDTH: Final = 384
FRAME_WIDTH: Final = 1280
CLIP: Final = "audio/wav"
"""Content type of a clip of speech: 16-bit mono at 16 kHz."""
_MAX_TOKENS: Final = 128
_TOKENS: Final = Sizes(((1, 16), (8, 16), (1, 32), (8, 32), (1, _MAX_TOKENS)), filled=True)
_PICTURES: Final = Sizes(((1, 3),))
_AT_ONCE: Final = 16
"""Sentences in one run at most: of the longest ones each takes a megabyte."""
_FRAME_SIDE: Final = 224
_MAX_PIXELS: Final = 4096 * 4096
"""A small file may unfold to gigabytes: its header is read before it is."""


class EncodedWindow(Value, frozen=True, eq=False):
    """A window with the vectors of its words and pictures.

    Attributes:
        window: as it came.
        text: float32 [n, 384], unit length, one row for each event of the text slot that has words;
            None where there are none.
        frames: float32 [n, 1280], one row for each event of the video slot whose picture could be
            decoded; None where there are none.
        encode_ms: time the encoders took for this window; about 0 where everything was remembered.
        text_events: for each row of ``text``, the index of its event in the text slot.
        frame_events: for each row of ``frames``, the index of its event in the video slot.
        vocabulary: what it may mean, where its device was taught something; None for the service's own.
        heard_by: what heard words in its clips, if any were heard.
    """

    window: Window
    text: Floats | None
    frames: Floats | None
    encode_ms: float
    text_events: tuple[int, ...] = ()
    frame_events: tuple[int, ...] = ()
    vocabulary: Vocabulary | None = None
    heard_by: ModelRef | None = None


# --- what there is to encode -----------------------------------------------------------


def words_in(window: Window, limit: int) -> tuple[int, ...]:
    """Indices of the newest ``limit`` events of the text slot that have words."""
    return _newest(window, Modality.TEXT, lambda event: bool(event.text and event.text.strip()), limit)


def pictures_in(window: Window, limit: int) -> tuple[int, ...]:
    """Indices of the newest ``limit`` events of the video slot that have a picture."""
    return _newest(window, Modality.VIDEO, lambda event: event.media is not None, limit)


def clips_in(window: Window, limit: int) -> tuple[int, ...]:
    """Indices of the newest ``limit`` events of the audio slot that have a clip."""

    def has_clip(event: Event) -> bool:
        return event.media is not None and event.media.content_type == CLIP

    return _newest(window, Modality.AUDIO, has_clip, limit)


def _newest(window: Window, modality: Modality, wanted: Callable[[Event], bool], limit: int) -> tuple[int, ...]:
    events = window.slot(modality).events
    if not events:
        return ()
    return tuple(i for i, event in enumerate(events) if wanted(event))[-limit:]


# --- what was encoded before -----------------------------------------------------------


class Remembered(Generic[K]):
    """The rows used last, at most ``size``; two threads may ask at once."""

    def __init__(self, size: int) -> None:
        self.hits = 0
        self.misses = 0
        self._size = size
        self._rows: OrderedDict[K, Floats] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, key: K, compute: Callable[[], Floats]) -> Floats:
        """The row of ``key``, computed if nobody remembers it."""
        return self.all([key], lambda _: [compute()])[0]

    def all(self, keys: Sequence[K], compute: Callable[[Sequence[K]], Sequence[Floats]]) -> list[Floats]:
        """The rows of ``keys``, in order; those that nobody remembers are computed together, each once."""
        found: dict[K, Floats] = {}
        with self._lock:
            for key in keys:
                if key in self._rows:
                    self._rows.move_to_end(key)
                    found[key] = self._rows[key]
            missing = [key for key in dict.fromkeys(keys) if key not in found]
            self.misses += len(missing)
            self.hits += len(keys) - len(missing)
        if missing:
            found |= zip(missing, compute(missing), strict=True)  # unlocked: two threads may compute one, and agree
            self._keep(missing, found)
        return [found[key] for key in keys]

    def _keep(self, keys: Sequence[K], found: Mapping[K, Floats]) -> None:
        with self._lock:
            self._rows |= ((key, found[key]) for key in keys)
            while len(self._rows) > self._size:
                self._rows.popitem(last=False)


# --- words -----------------------------------------------------------------------------


class SentenceEncoder:
    """Sentences to unit vectors: MiniLM's token vectors, averaged over the tokens (Reimers and Gurevych 2019).

    Raises:
        ModelError: a file cannot be loaded, or is another kind of model.
    """

    def __init__(
        self,
        model: Path,
        tokenizer: Path,
        *,
        remember: int = 4096,
        threads: int = 1,
        provider: Provider = Provider.CPU,
    ) -> None:
        self.remembered: Remembered[str] = Remembered(remember)
        self._net = Net(model, threads=threads, provider=provider, sizes=_TOKENS)
        self.prepare = self._net.prepare
        self._tokenizer = _tokenizer(tokenizer)
        try:
            width = len(self.vectors(["hello"])[0])
        except Exception as error:
            raise ModelError(f"{model}: not a sentence embedding; run: sensorium-cloud models fetch") from error
        if width != SENTENCE_WIDTH:
            raise ModelError(f"{model}: vectors of {width}, where {SENTENCE_WIDTH} are needed")

    def encode(self, sentences: Sequence[str]) -> Floats:
        """float32 [n, 384] of unit length, for n sentences; what is beyond 128 tokens is not read."""
        rows = self.remembered.all([sentence.strip() for sentence in sentences], self.vectors)
        return np.stack(rows) if rows else np.zeros((0, SENTENCE_WIDTH), np.float32)

    def vectors(self, sentences: Sequence[str]) -> list[Floats]:
        """float32 [384] of unit length for each of ``sentences``, and nothing remembered."""
        ids = [self._tokenizer.encode(sentence).ids for sentence in sentences]
        rows: dict[int, Floats] = {}
        for places in self._together(ids):
            tokens = self._tokens([ids[place] for place in places])
            rows |= ((place, _mean(own[: len(ids[place])])) for place, own in zip(places, tokens, strict=True))
        return [rows[place] for place in range(len(ids))]

    def _together(self, ids: Sequence[Sequence[int]]) -> Iterator[Sequence[int]]:
        """Places in ``ids`` of what runs together: of one length, or filled up to the one that the net is prepared for.

        The net's weights are 20 MB: a sentence alone waits mostly for the memory.
        """
        sizes = self._net.sizes
        by_length: dict[int, list[int]] = {}
        for place, own in enumerate(ids):
            by_length.setdefault(sizes.room(1, len(own))[1] if sizes else len(own), []).append(place)
        for places in by_length.values():
            yield from (places[at : at + _AT_ONCE] for at in range(0, len(places), _AT_ONCE))

    def _tokens(self, ids: Sequence[Sequence[int]]) -> Floats:
        """Token vectors [n, t, width], of which those count that have an id."""
        given = np.zeros((len(ids), max(map(len, ids))), np.int64)
        mask = np.zeros_like(given)
        for row, own in enumerate(ids):
            given[row, : len(own)] = own
            mask[row, : len(own)] = 1
        named = {"input_ids": given, "attention_mask": mask, "token_type_ids": np.zeros_like(given)}
        out: Floats = self._net.run({name: named[name] for name in self._net.inputs})[0]
        return out


def _mean(tokens: Floats) -> Floats:
    """The mean of token vectors, at unit length."""
    mean = tokens.mean(axis=0)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-12), np.float32)


def _tokenizer(path: Path) -> Any:
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises bare Exception
        raise ModelError(f"{path}: not a tokenizer ({error}); run: sensorium-cloud models fetch") from error
    tokenizer.no_padding()
    tokenizer.enable_truncation(_MAX_TOKENS)
    return tokenizer


def add_words(encoder: SentenceEncoder, batch: Sequence[EncodedWindow], *, limit: int) -> list[EncodedWindow]:
    """Each window with the vectors of its newest ``limit`` texts; all wait for the texts of all."""
    began = time.perf_counter()
    chosen = [words_in(encoded.window, limit) for encoded in batch]
    slots = [encoded.window.slot(Modality.TEXT).events for encoded in batch]
    rows = encoder.encode([events[i].text or "" for events, own in zip(slots, chosen, strict=True) for i in own])
    ms, ends = _ms_since(began), np.cumsum([len(own) for own in chosen])
    return [
        replace(encoded, text=rows[end - len(own) : end], text_events=own, encode_ms=encoded.encode_ms + ms)
        if own
        else encoded
        for encoded, own, end in zip(batch, chosen, ends, strict=True)
    ]


# --- pictures --------------------------------------------------------------------------


class FrameEncoder:
    """JPEG pictures to vectors: EfficientNet-Lite0 (Liu 2020) before its classifier.

    Attributes:
        undecodable: how many pictures could not be used; their windows went on without them.

    Raises:
        ModelError: the file cannot be loaded, or is another kind of model.
    """

    def __init__(
        self, model: Path, *, remember: int = 1024, threads: int = 1, provider: Provider = Provider.CPU
    ) -> None:
        self.remembered: Remembered[bytes] = Remembered(remember)
        self.undecodable = 0
        self._net = Net(model, threads=threads, provider=provider, sizes=_PICTURES)
        self.prepare = self._net.prepare
        try:
            shape = self.vector(np.zeros((_FRAME_SIDE, _FRAME_SIDE, 3), np.uint8)).shape
        except Exception as error:
            raise ModelError(f"{model}: not a frame embedding; run: sensorium-cloud models fetch") from error
        if shape != (FRAME_WIDTH,):
            raise ModelError(f"{model}: vectors of {list(shape)}, where [{FRAME_WIDTH}] is needed")

    def encode(self, jpegs: Sequence[bytes]) -> list[Floats | None]:
        """float32 [1280] for each picture; None, and counted, where it is not a JPEG of at most 16 megapixels."""
        return [self._encode_one(jpeg) for jpeg in jpegs]

    def _encode_one(self, jpeg: bytes) -> Floats | None:
        try:
            return self.remembered(blake2b(jpeg, digest_size=16).digest(), lambda: self.vector(decode(jpeg)))
        except UndecodablePicture as error:
            self.undecodable += 1
            log.debug("encode.picture_dropped reason=%s", error)
            return None

    def vector(self, pixels: npt.NDArray[np.uint8]) -> Floats:
        """float32 [1280] of a picture as `decode` gives it, and nothing remembered."""
        batch = np.ascontiguousarray(pixels.transpose(2, 0, 1)[None], np.float32) / np.float32(255)
        out: Floats = self._net.run({self._net.inputs[0]: batch})[0][0]
        return out


class UndecodablePicture(ValueError):
    """Bytes that are not a JPEG of a reasonable size."""


def decode(jpeg: bytes) -> npt.NDArray[np.uint8]:
    """The picture as uint8 [224, 224, 3], RGB, scaled without regard to its proportions.

    Raises:
        UndecodablePicture: not a JPEG, or one of more than 16 megapixels.
    """
    import cv2

    size = jpeg_size(jpeg)
    if size is None:
        raise UndecodablePicture("no JPEG header")
    if not 0 < size[0] * size[1] <= _MAX_PIXELS:
        raise UndecodablePicture(f"{size[0]} x {size[1]} pixels")
    try:
        pixels = cv2.imdecode(np.frombuffer(jpeg, np.uint8), _reduction(min(size)))
    except cv2.error as error:
        raise UndecodablePicture("damaged") from error
    if pixels is None:
        raise UndecodablePicture("damaged")
    square = cv2.resize(pixels, (_FRAME_SIDE, _FRAME_SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(square, cv2.COLOR_BGR2RGB), np.uint8)


def _reduction(shorter_side: int) -> int:
    """How coarsely to decode: the JPEG decoder halves for free what would be scaled down anyway."""
    import cv2

    for factor, flag in (
        (8, cv2.IMREAD_REDUCED_COLOR_8),
        (4, cv2.IMREAD_REDUCED_COLOR_4),
        (2, cv2.IMREAD_REDUCED_COLOR_2),
    ):
        if shorter_side >= factor * _FRAME_SIDE:
            return int(flag)
    return int(cv2.IMREAD_COLOR)


def jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Height and width by the frame header (ITU-T T.81, B.2.2); None if these are not the bytes of a JPEG."""
    if data[:2] != b"\xff\xd8":
        return None
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        # 0xC0 to 0xCF start a frame, but for Huffman tables, extensions and arithmetic conditioning.
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return int.from_bytes(data[at + 5 : at + 7], "big"), int.from_bytes(data[at + 7 : at + 9], "big")
        at += 2 + length
    return None


def add_pictures(encoder: FrameEncoder, batch: Sequence[EncodedWindow], *, limit: int) -> list[EncodedWindow]:
    """Each window with the vectors of its newest ``limit`` pictures, as far as they can be decoded."""
    return [_with_pictures(encoder, encoded, limit) for encoded in batch]


def _with_pictures(encoder: FrameEncoder, encoded: EncodedWindow, limit: int) -> EncodedWindow:
    began = time.perf_counter()
    chosen = pictures_in(encoded.window, limit)
    events = encoded.window.slot(Modality.VIDEO).events
    media = [(i, events[i].media) for i in chosen]
    rows = encoder.encode([m.data for _, m in media if m is not None])
    seen = [(i, row) for i, row in zip(chosen, rows, strict=True) if row is not None]
    if not seen:
        return replace(encoded, encode_ms=encoded.encode_ms + _ms_since(began))
    return replace(
        encoded,
        frames=np.stack([row for _, row in seen]),
        frame_events=tuple(i for i, _ in seen),
        encode_ms=encoded.encode_ms + _ms_since(began),
    )


def _ms_since(began: float) -> float:
    return (time.perf_counter() - began) * 1e3
