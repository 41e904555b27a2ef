"""Fusing less: the same evidence is fused once, and a session's window that is nearly its last is not fused anew.

The first is exact: evidence is compared by a hash over canonical bytes, times taken from the window's end, so that it
is found in any session; on this machine in a bounded LRU, then, where that is shared, in Redis. Sensors are noisy, so
this pays for what is sent again. The second pays for people who sit still. It is off until a threshold is set. Symbols
say that they were not fused themselves: they have a stage ``reuse``. Media are neither keys nor values.
"""

from __future__ import annotations

import struct
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Final, Protocol

import numpy as np

from sensorium import assemble
from sensorium.event import Event, Modality
from sensorium.symbol import Evidence, Share, Stage, Symbol, decay
from sensorium.window import Slot, Window
from sensorium_cloud.encode.encoders import EncodedWindow
from sensorium_cloud.fuse.network import Floats
from sensorium_cloud.refine import Fuse

_SESSIONS: Final = 4096
_LEAD: Final = 0.6
"""Of the best hypothesis before the next: an answer on the fence may tip with any noise."""
_NEAR: Final = 0.05
"""How far score, quality and decay may be from what they were."""
_HALF_LIFE_NS: Final = 2_000_000_000

Count = Callable[[str, int], None]


class Shared(Protocol):
    """A second tier, in any process; neither verb fails or takes long."""

    def get(self, keys: Sequence[bytes]) -> list[Symbol | None]:
        """What is known of each."""

    def put(self, symbols: Mapping[bytes, Symbol]) -> None:
        """Know these too, soon."""


@dataclass(frozen=True, slots=True)
class Similar:
    """When a session's window counts as its last one again.

    Attributes:
        cosine: at least, between what each label's feature vectors were and are; above 1 never.
        max_age_ns: from the end of the window that was fused.
    """

    cosine: float = 2.0
    max_age_ns: int = 2_000_000_000


class Cached:
    """A `Fuse` that asks ``fuse`` only for what it does not know; what two threads ask for at once, both fuse.

    Args:
        fuse: makes symbols.
        most: windows that are remembered here.
        similar: when a window is taken for the last one.
        shared: the second tier, if there is one.
        count: told how many were a ``local_hit``, a ``redis_hit``, ``similar`` or a ``miss``.
    """

    def __init__(
        self,
        fuse: Fuse,
        *,
        most: int = 0,
        similar: Similar | None = None,
        shared: Shared | None = None,
        count: Count = lambda _outcome, _many: None,
    ) -> None:
        self._fuse, self._most, self._shared, self._count = fuse, most, shared, count
        self._known: OrderedDict[bytes, Symbol] = OrderedDict()
        self._sessions = Sessions(similar or Similar())
        self._lock = threading.Lock()

    def __call__(self, windows: Sequence[EncodedWindow]) -> list[Symbol]:
        """A symbol for each window, in order."""
        began_ns = time.perf_counter_ns()
        keys = [key(encoded) if self._most else b"" for encoded in windows]
        with self._lock:
            found: dict[int, Symbol] = dict(self._here(windows, keys))
        found |= self._there({n: k for n, k in enumerate(keys) if n not in found})
        ms = (time.perf_counter_ns() - began_ns) / 1e6
        found = {n: adopted(symbol, windows[n].window, ms) for n, symbol in found.items()}
        missing = [n for n in range(len(windows)) if n not in found]
        for n, symbol in zip(missing, self._fuse([windows[n] for n in missing]) if missing else (), strict=True):
            found[n] = symbol
            with self._lock:
                self._sessions.fused(windows[n], symbol)
        self._learn({keys[n]: found[n] for n in missing})
        self._count("miss", len(missing))
        return [found[n] for n in range(len(windows))]

    def _here(self, windows: Sequence[EncodedWindow], keys: Sequence[bytes]) -> Iterator[tuple[int, Symbol]]:
        counts: Counter[str] = Counter()
        for n, encoded in enumerate(windows):
            if self._most and (known := self._known.get(keys[n])) is not None:
                self._known.move_to_end(keys[n])
                counts["local_hit"] += 1
                yield n, known
            elif (last := self._sessions.nearly(encoded)) is not None:
                counts["similar"] += 1
                yield n, last
        for outcome, many in counts.items():
            self._count(outcome, many)

    def _there(self, wanted: Mapping[int, bytes]) -> dict[int, Symbol]:
        if self._shared is None or not self._most or not wanted:
            return {}
        told = zip(wanted, self._shared.get(list(wanted.values())), strict=True)
        found = {n: symbol for n, symbol in told if symbol is not None}
        self._keep({wanted[n]: symbol for n, symbol in found.items()})
        self._count("redis_hit", len(found))
        return found

    def _learn(self, fused: Mapping[bytes, Symbol]) -> None:
        if not self._most:
            return
        nameless = {k: anonymous(symbol) for k, symbol in fused.items()}
        self._keep(nameless)
        if self._shared is not None:
            self._shared.put(nameless)

    def _keep(self, symbols: Mapping[bytes, Symbol]) -> None:
        with self._lock:
            self._known.update(symbols)
            while len(self._known) > self._most:
                self._known.popitem(last=False)


def adopted(symbol: Symbol, window: Window, ms: float) -> Symbol:
    """What ``symbol`` says, said of ``window``: its name, its times and its timeline."""
    return replace(
        symbol,
        id=window.id,
        session_id=window.session_id,
        window_revision=window.revision,
        start_ns=window.start_ns,
        end_ns=window.end_ns,
        boot_id=window.boot_id,
        shares=tuple(_share(share, slot) for share, slot in zip(symbol.shares, window.slots, strict=True)),
        latency=(assemble.waited(window), Stage("reuse", ms)),
        timeline=assemble.timeline(window),
    )


def _share(share: Share, slot: Slot) -> Share:
    return replace(share, presence=slot.presence, offset_ns=slot.offset_ns, age_ns=slot.age_ns)


def anonymous(symbol: Symbol) -> Symbol:
    """``symbol`` without whose it was and what they said: all that `adopted` puts in."""
    nothing: tuple[Evidence, ...] = ()
    return replace(symbol, id="-.0", session_id="-", boot_id="", timeline=nothing)


# --- the same evidence -----------------------------------------------------------------


def key(encoded: EncodedWindow) -> bytes:
    """BLAKE2b over everything of a window that fusion looks at, in canonical bytes; pictures by their vectors."""
    digest = blake2b(digest_size=32)
    window = encoded.window
    digest.update(encoded.vocabulary.digest.encode() if encoded.vocabulary else b"-")
    for slot in window.slots:
        digest.update(f"\0{slot.modality}\0{slot.presence}\0{len(slot.events)}".encode())
        for event in slot.events:
            for part in _parts(event, window.end_ns):
                digest.update(struct.pack("<q", len(part)) + part)
    for vectors, numbers in ((encoded.text, encoded.text_events), (encoded.frames, encoded.frame_events)):
        digest.update(repr(numbers).encode())
        digest.update(b"" if vectors is None else vectors.tobytes())
    return digest.digest()


def _parts(event: Event, end_ns: int) -> Iterator[bytes]:
    yield repr((event.label, event.text, assemble.aside(event))).encode()
    yield struct.pack("<qqdd", end_ns - event.at_ns, event.span_ns, event.score, event.quality)
    if (features := event.features) is not None:
        yield repr((features.shape, features.dtype, features.scale)).encode()
        yield features.data


# --- nearly the same evidence ----------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Sketch:
    """A window's evidence by modality and label: the mean of their vectors, and [score, quality, decay, vectors]."""

    told: tuple[object, ...]
    means: tuple[Floats, ...]
    facts: Floats


@dataclass(frozen=True, slots=True, eq=False)
class _Last:
    """The window of a session that was fused last."""

    end_ns: int
    sketch: _Sketch
    symbol: Symbol


class Sessions:
    """Each session's last window that was fused; those that were silent for longest are forgotten."""

    def __init__(self, similar: Similar) -> None:
        self._similar = similar
        self._last: OrderedDict[str, _Last] = OrderedDict()

    def fused(self, encoded: EncodedWindow, symbol: Symbol) -> None:
        """Remember a window, if another may be compared with it."""
        window = encoded.window
        if self._similar.cosine > 1:
            return
        self._last.pop(window.session_id, None)
        if _leads(symbol) and (sketch := _sketched(encoded)) is not None:
            self._last[window.session_id] = _Last(window.end_ns, sketch, anonymous(symbol))
        while len(self._last) > _SESSIONS:
            self._last.popitem(last=False)

    def nearly(self, encoded: EncodedWindow) -> Symbol | None:
        """The symbol of the session's last window, if this one is nearly that."""
        last = self._last.get(encoded.window.session_id)
        if last is None or not 0 < encoded.window.end_ns - last.end_ns <= self._similar.max_age_ns:
            return None
        sketch = _sketched(encoded)
        return last.symbol if sketch is not None and self._near(last.sketch, sketch) else None

    def _near(self, one: _Sketch, other: _Sketch) -> bool:
        if one.told != other.told or bool((np.abs(one.facts - other.facts) > _NEAR).any()):
            return False
        return all(_cosine(a, b) >= self._similar.cosine for a, b in zip(one.means, other.means, strict=True))


def _leads(symbol: Symbol) -> bool:
    best, *rest = [h.probability for h in symbol.alternatives] or [0.0]
    return symbol.concept is not None and best - max(rest, default=0.0) >= _LEAD


def _sketched(encoded: EncodedWindow) -> _Sketch | None:
    """A window's sketch; None where there are words, which always deserve to be read."""
    window = encoded.window
    if window.slot(Modality.TEXT).events or any(event.text for slot in window.slots for event in slot.events):
        return None
    by_label: dict[tuple[Modality, str | None, bool, bool], list[tuple[int, Event]]] = {}
    for slot in window.slots:
        for n, event in enumerate(slot.events):
            told = (slot.modality, event.label, event.span_ns > 0, assemble.aside(event))
            by_label.setdefault(told, []).append((n, event))
    frames = dict(zip(encoded.frame_events, encoded.frames if encoded.frames is not None else (), strict=True))
    order = sorted(by_label, key=repr)
    groups = [(told[0], by_label[told]) for told in order]
    vectors = [
        [v for n, e in events if (v := _vector(modality, n, e, frames)) is not None] for modality, events in groups
    ]
    alike = (
        encoded.vocabulary.digest if encoded.vocabulary else "",
        tuple(slot.presence for slot in window.slots),
        *order,
        tuple(bool(own) for own in vectors),
    )
    facts = [_facts([event for _, event in events], window.end_ns) for _, events in groups]
    means = tuple(np.mean(own, axis=0) for own in vectors if own)
    return _Sketch(alike, means, np.asarray(facts, np.float32).reshape(len(facts), 3))


def _vector(modality: Modality, number: int, event: Event, frames: Mapping[int, Floats]) -> Floats | None:
    if modality is Modality.VIDEO and number in frames:
        return frames[number]
    return None if event.features is None else event.features.array().reshape(-1)


def _facts(events: Sequence[Event], end_ns: int) -> tuple[float, float, float]:
    """Mean score, mean quality, and how far the newest counts still."""
    score = sum(assemble.unit(e.score) for e in events) / len(events)
    quality = sum(assemble.unit(e.quality) for e in events) / len(events)
    return score, quality, decay(end_ns - max(e.at_ns for e in events), _HALF_LIFE_NS)


def _cosine(one: Floats, other: Floats) -> float:
    """Of two vectors; 1 for two of zeros, and for no number nothing is near."""
    lengths = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(one @ other) / lengths if lengths else float(np.array_equal(one, other))
