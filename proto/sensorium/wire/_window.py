"""Windows as protobuf, and the bytes that say whether two windows mean the same."""

from __future__ import annotations

import struct
from hashlib import blake2b

from sensorium import limits
from sensorium.errors import FieldError
from sensorium.event import Modality, Tensor
from sensorium.v1 import window_pb2 as pb
from sensorium.window import Presence, Slot, Window
from sensorium.wire._checks import after, at_least, at_most, each, inverse, label, member, name, numbers, unique, within
from sensorium.wire._event import (
    MODALITY,
    MODALITY_NUMBER,
    check_features,
    event_to_proto,
    event_unproven,
    finite,
)

PRESENCE_NUMBER = numbers("PRESENCE", Presence, pb.Presence)
PRESENCE = inverse(PRESENCE_NUMBER)
_ABSENT = {modality: Slot(modality, Presence.ABSENT) for modality in Modality}
_MINUS_ZERO = struct.pack("<d", -0.0)


def window_to_proto(window: Window) -> pb.Window:
    """The window's message."""
    return pb.Window(
        id=window.id,
        session_id=window.session_id,
        index=window.index,
        revision=window.revision,
        start_ns=window.start_ns,
        end_ns=window.end_ns,
        closed_at_ns=window.closed_at_ns,
        slots=[_slot_to_proto(slot) for slot in window.slots],
        boot_id=window.boot_id,
    )


def window_from_proto(message: pb.Window) -> Window:
    """The message's window.

    Raises:
        FieldError: a value is not what the contract promises, or contradicts another.
    """
    session_id, index = name("session_id", message.session_id), message.index
    if name("id", message.id) != f"{session_id}.{index}":
        raise FieldError("id", f"session_id and index ({index}) joined by a dot")
    after(message.start_ns, message.end_ns)
    slots = each("slots", message.slots, _slot_from_proto)
    if len({slot.modality for slot in slots}) < len(slots):
        unique("slots", [slot.modality for slot in slots])
    _check_events(slots, session_id)
    return Window(
        id=message.id,
        session_id=session_id,
        index=index,
        revision=message.revision,
        start_ns=message.start_ns,
        end_ns=message.end_ns,
        closed_at_ns=message.closed_at_ns,
        slots=slots,
        boot_id=label("boot_id", message.boot_id),
    )


def _check_events(slots: tuple[Slot, ...], session_id: str) -> None:
    """A window holds events of its own session only, and their features are numbers."""
    features: list[Tensor] = []
    for i, slot in enumerate(slots):
        for j, event in enumerate(slot.events):
            if event.session_id != session_id:
                raise FieldError(f"slots[{i}].events[{j}].session_id", "that of the window")
            if event.features is not None:
                features.append(event.features)
    if not finite(features):
        for i, slot in enumerate(slots):
            for j, event in enumerate(slot.events):
                within(f"slots[{i}].events[{j}]", event, check_features)


def _slot_to_proto(slot: Slot) -> pb.Slot:
    return pb.Slot(
        modality=MODALITY_NUMBER[slot.modality],
        presence=PRESENCE_NUMBER[slot.presence],
        events=[event_to_proto(event) for event in slot.events],
        age_ns=slot.age_ns,
        offset_ns=slot.offset_ns,
    )


def _slot_from_proto(message: pb.Slot) -> Slot:
    has, events, presence = message.HasField, message.events, PRESENCE.get(message.presence)
    if presence is Presence.ABSENT and not events and not has("age_ns") and not has("offset_ns"):
        return _ABSENT[member("modality", message.modality, MODALITY)]
    at_most(limits.EVENTS_PER_SLOT, "events", events)
    slot = Slot(
        member("modality", message.modality, MODALITY),
        presence or member("presence", message.presence, PRESENCE),
        each("events", events, event_unproven),
        at_least(0, "age_ns", message.age_ns) if has("age_ns") else None,
        at_least(0, "offset_ns", message.offset_ns) if has("offset_ns") else None,
    )
    _check_agreement(slot)
    return slot


def _check_agreement(slot: Slot) -> None:
    """What a slot holds agrees with its modality and presence."""
    if slot.presence is Presence.ABSENT:
        if slot.events:
            raise FieldError("events", f"none if absent, not {len(slot.events)}")
        if slot.age_ns is not None:
            raise FieldError("age_ns", f"unset if absent, not {slot.age_ns}")
    if slot.offset_ns is not None and not slot.here:
        raise FieldError("offset_ns", f"unset if {slot.presence}, not {slot.offset_ns}")
    for i, event in enumerate(slot.events):
        if event.modality is not slot.modality:
            raise FieldError(f"events[{i}].modality", f"{slot.modality} as its slot, not {event.modality}")


def canonical_bytes(window: Window) -> bytes:
    """Bytes that are equal if and only if two windows are, but for ``closed_at_ns``.

    When a window was given out says nothing about what it means, and differs between a live run and its
    replay. Everything else counts, in the order of field numbers, metadata in the order of its keys.
    """
    return _canonical(window_to_proto(window))


def _canonical(message: pb.Window) -> bytes:
    message.ClearField("closed_at_ns")
    return message.SerializeToString(deterministic=True)


def content_hash(window: Window) -> str:
    """BLAKE2b-256 (RFC 7693) of `canonical_bytes`, 64 hex digits: the same in every process and on every machine."""
    return blake2b(canonical_bytes(window), digest_size=32).hexdigest()


def message_hash(message: pb.Window) -> str:
    """`content_hash` of the window of a message that is well-formed, which it changes.

    Ten times as fast: what came as a message need not become one again.
    """
    message.DiscardUnknownFields()
    canonical = _canonical(message)
    if _MINUS_ZERO in canonical:  # it equals 0.0 and must give the same bytes
        for slot in message.slots:
            for event in slot.events:
                event.score += 0.0
                event.quality += 0.0
        canonical = _canonical(message)
    return blake2b(canonical, digest_size=32).hexdigest()
