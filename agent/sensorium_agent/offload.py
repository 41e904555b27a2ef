"""What may leave the device, what is worth asking the cloud, and how many bytes that may cost.

Pure: nothing here holds a clock or does I/O. A window passes three questions in this order: does it
need the cloud (`route`), what of it may leave (`redact`), can the link afford it (`Budget.spend`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum, auto
from types import MappingProxyType
from typing import Final

import numpy as np

from sensorium.event import NOTHING, DType, Event, Modality, Tensor
from sensorium.symbol import Symbol
from sensorium.window import Slot, Window


class Egress(StrEnum):
    """How much of a modality may leave the device; each level includes the ones before it."""

    NONE = "none"
    """No event. The slot itself stays, with its presence, age and offset: the cloud may know that
    there *was* something it is not shown, or it would take a private sense for a silent one."""
    LABELS = "labels"
    """Label, score, quality and times."""
    FEATURES = "features"
    """Feature vectors, words and metadata too."""
    MEDIA = "media"
    """Keyframes and clips too."""

    def allows(self, level: Egress) -> bool:
        """Whether what needs ``level`` may leave."""
        return _ORDER.index(self) >= _ORDER.index(level)


_ORDER: Final = tuple(Egress)

DEFAULT_EGRESS: Final[Mapping[Modality, Egress]] = MappingProxyType(
    {
        Modality.VIDEO: Egress.MEDIA,
        Modality.AUDIO: Egress.FEATURES,
        Modality.TEXT: Egress.FEATURES,
        Modality.GESTURE: Egress.FEATURES,
        Modality.HAPTIC: Egress.FEATURES,
        Modality.BIOMETRIC: Egress.NONE,
    }
)
"""Heart and skin stay home unless their owner says otherwise."""

_F16_MAX: Final = 65504.0


# --- what may leave ------------------------------------------------------------------------


def redact(window: Window, egress: Mapping[Modality, Egress]) -> Window:
    """What of ``window`` may leave, its features as 16-bit floats.

    A modality that ``egress`` does not name keeps to itself.
    """
    slots = tuple(_redact_slot(slot, egress.get(slot.modality, Egress.NONE)) for slot in window.slots)
    return replace(window, slots=slots)


def _redact_slot(slot: Slot, level: Egress) -> Slot:
    if level is Egress.NONE:
        return replace(slot, events=())
    return replace(slot, events=tuple(_redact_event(event, level) for event in slot.events))


def _redact_event(event: Event, level: Egress) -> Event:
    if not level.allows(Egress.FEATURES):
        return replace(event, features=None, text=None, media=None, metadata=NOTHING)
    return replace(
        event,
        features=None if event.features is None else halved(event.features),
        media=event.media if level.allows(Egress.MEDIA) else None,
    )


def halved(tensor: Tensor) -> Tensor:
    """The tensor as 16-bit floats, with a scale where its numbers exceed their range.

    Relative error at most 2^-11 for magnitudes above 6.1e-5 (IEEE 754 binary16). A tensor that is
    not larger already stays as it is.
    """
    if tensor.item_bytes <= 2:
        return tensor
    values = tensor.array()
    largest = float(np.abs(values).max(initial=0.0))
    if largest <= _F16_MAX:
        return Tensor.of(values, DType.F16)
    scale = float(np.float32(largest / _F16_MAX * (1 + 2**-12)))
    return replace(Tensor.of(values / np.float32(scale), DType.F16), scale=scale)


# --- what is worth asking ------------------------------------------------------------------


class Ask(StrEnum):
    """When the cloud is asked."""

    ALWAYS = "always"
    UNSURE = "unsure"
    """Only where the device is not sure, or where something only the cloud understands is there."""
    NEVER = "never"


class Route(StrEnum):
    """Where a window's final answer comes from."""

    LOCAL = "local"
    CLOUD = "cloud"


@dataclass(frozen=True, slots=True)
class Policy:
    """Settings of the offload.

    Attributes:
        ask: when the cloud is asked.
        floor: confidence from which the device's own answer stands, 0 to 1.
        egress: what may leave, by modality; `redact` takes the same.
    """

    ask: Ask = Ask.ALWAYS
    floor: float = 0.8
    egress: Mapping[Modality, Egress] = field(default_factory=lambda: DEFAULT_EGRESS)


def route(window: Window, symbol: Symbol, *, policy: Policy) -> Route:
    """Keep here what needs no second opinion, or of which nothing may leave.

    Args:
        window: as joined, before `redact`.
        symbol: the device's own answer to it.
        policy: when to ask, and what may leave.
    """
    shown = redact(window, policy.egress)
    if policy.ask is Ask.NEVER or not any(slot.here and slot.events for slot in shown.slots):
        return Route.LOCAL
    if policy.ask is Ask.ALWAYS:
        return Route.CLOUD
    unsure = symbol.abstained is not None or symbol.confidence < policy.floor
    return Route.CLOUD if unsure or _heavy(shown) else Route.LOCAL


def _heavy(window: Window) -> bool:
    """Whether it holds what only the cloud's encoders understand: pictures or words."""
    return any(event.media or event.text for slot in window.slots if slot.here for event in slot.events)


# --- what the link can afford --------------------------------------------------------------

_WINDOW_BYTES: Final = 48
_SLOT_BYTES: Final = 14
_EVENT_BYTES: Final = 52
"""Numbers, tags and lengths as protobuf writes them; names, words and tensors come on top."""


def bytes_by_modality(window: Window) -> dict[Modality, int]:
    """About how many bytes each modality of ``window`` takes on the wire."""
    return {slot.modality: _SLOT_BYTES + sum(_event_bytes(e) for e in slot.events) for slot in window.slots}


def _event_bytes(event: Event) -> int:
    names = (event.stream_id, event.session_id, event.label or "", event.text or "")
    size = _EVENT_BYTES + sum(len(name.encode()) for name in names)
    size += sum(len(f"{key}{value}".encode()) + 6 for key, value in event.metadata.items())
    if event.features is not None:
        size += len(event.features.data) + 16
    if event.media is not None:
        size += len(event.media.data) + len(event.media.content_type) + 10
    return size


class Cut(StrEnum):
    """What a window lost to the budget."""

    NOTHING = auto()
    MEDIA = auto()
    """Its keyframes and clips."""
    FEATURES = auto()
    """Its feature vectors too; labels and words went."""
    ALL = auto()
    """It was not sent; the device's own answer stands."""


@dataclass(frozen=True, slots=True)
class Budget:
    """A token bucket of bytes for one link; each `spend` gives the next state.

    Attributes:
        rate_bytes_s: what the link may carry in the long run.
        burst_bytes: what it may carry at once; larger windows always lose something.
        level_bytes: what is left now.
        at_ns: when that was so.
        sent: bytes by modality, envelopes left out.
        cuts: windows by what they lost.
    """

    rate_bytes_s: float
    burst_bytes: float
    level_bytes: float
    at_ns: int = 0
    sent: Mapping[Modality, int] = field(default_factory=lambda: MappingProxyType({}))
    cuts: Mapping[Cut, int] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def of(cls, rate_bytes_s: float, *, burst_bytes: float, now_ns: int = 0) -> Budget:
        """A full bucket."""
        return cls(rate_bytes_s, burst_bytes, burst_bytes, now_ns)

    def refilled(self, now_ns: int) -> Budget:
        """The bucket at ``now_ns``; a time before the last one known adds nothing."""
        passed_s = max(now_ns - self.at_ns, 0) / 1e9
        level = min(self.level_bytes + passed_s * self.rate_bytes_s, self.burst_bytes)
        return replace(self, level_bytes=level, at_ns=max(now_ns, self.at_ns))

    def spend(self, window: Window, now_ns: int) -> tuple[Window | None, Budget]:
        """As much of ``window`` (already redacted) as can be paid now, None if nothing, and what is left.

        Media go first, then feature vectors; labels and words only with the window as a whole.
        """
        full = self.refilled(now_ns)
        for cut in (Cut.NOTHING, Cut.MEDIA, Cut.FEATURES):
            lean = without(window, cut)
            shares = bytes_by_modality(lean)
            cost = _WINDOW_BYTES + 2 * len(window.id.encode()) + sum(shares.values())
            if cost <= full.level_bytes:
                return lean, full.paid(cost, shares, cut)
        return None, full.paid(0, {}, Cut.ALL)

    def paid(self, cost: int, shares: Mapping[Modality, int], cut: Cut) -> Budget:
        """The bucket less ``cost`` bytes, of which ``shares`` were the modalities' own."""
        sent = dict(self.sent)
        for modality, share in shares.items():
            sent[modality] = sent.get(modality, 0) + share
        cuts = {**self.cuts, cut: self.cuts.get(cut, 0) + 1}
        return replace(
            self,
            level_bytes=self.level_bytes - cost,
            sent=MappingProxyType(sent),
            cuts=MappingProxyType(cuts),
        )


def without(window: Window, cut: Cut) -> Window:
    """``window`` less its media (``MEDIA``), or less media and feature vectors (``FEATURES``)."""
    if cut is Cut.NOTHING:
        return window
    keep = cut is Cut.MEDIA

    def lean(event: Event) -> Event:
        return replace(event, media=None, features=event.features if keep else None)

    return replace(window, slots=tuple(replace(s, events=tuple(map(lean, s.events))) for s in window.slots))
