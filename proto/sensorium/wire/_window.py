"""Windows as protobuf, and the bytes that say whether two windows mean the same."""

from __future__ import annotations

import struct
from hashlib import blake2b
from typing import Final

from sensorium import limits
from sensorium.errors import FieldError
from sensorium.event import Modality
from sensorium.v1 import window_pb2 as pb
from sensorium.window import Presence, Slot, Window
from sensorium.wire._checks import (
    SURELY_NAME,
    after,
    at_least,
    at_most,
    each,
    inverse,
    label,
    member,
    name,
    numbers,
    unique,
)
from sensorium.wire._event import (
    MODALITY,
    MODALITY_NUMBER,
    event_from_proto,
    event_to_proto,
)

PRESENCE_NUMBER = numbers("PRESENCE", Presence, pb.Presence)
PRESENCE = inverse(PRESENCE_NUMBER)
_ABSENT: Final = Presence.ABSENT
_HERE: Final = Presence.PRESENT, Presence.LATE
_NOTHING: Final = {
    pb.Slot(modality=MODALITY_NUMBER[modality], presence=PRESENCE_NUMBER[_ABSENT]).SerializeToString(): Slot(
        modality, _ABSENT
    )
    for modality in Modality
}
"""Absent slots, by their whole message."""
_MOST_SLOTS: Final = len(Modality) + 1
"""Among so many there is one of a modality that was there before, or of none: what follows need not be read."""
_MINUS_ZERO: Final = struct.pack("<d", -0.0)


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
    its_id, session_id, index, boot_id = message.id, message.session_id, message.index, message.boot_id
    start_ns, end_ns = message.start_ns, message.end_ns
    # One look at what is nearly always right; whoever is wrong, or long, is looked at field by field.
    if not (
        0 < len(session_id) <= len(its_id) <= SURELY_NAME
        and its_id == f"{session_id}.{index}"
        and start_ns < end_ns
        and len(boot_id) <= SURELY_NAME
    ):
        _check_plain(message)
    slots = each("slots", message.slots[:_MOST_SLOTS], _slot_from_proto)
    if len({slot.modality for slot in slots}) < len(slots):
        unique("slots", [slot.modality for slot in slots])
    _check_events(slots, session_id)
    closed_at_ns = message.closed_at_ns
    return Window(its_id, session_id, index, message.revision, start_ns, end_ns, closed_at_ns, slots, boot_id)


def _check_plain(message: pb.Window) -> None:
    """What has no parts, in the order of the contract."""
    session_id, index = name("session_id", message.session_id), message.index
    if name("id", message.id) != f"{session_id}.{index}":
        raise FieldError("id", f"session_id and index ({index}) joined by a dot")
    after(message.start_ns, message.end_ns)
    label("boot_id", message.boot_id)


def _check_events(slots: tuple[Slot, ...], session_id: str) -> None:
    """A window holds events of its own session only."""
    for i, slot in enumerate(slots):
        for event in slot.events:
            if event.session_id != session_id:
                raise FieldError(f"slots[{i}].events[{slot.events.index(event)}].session_id", "that of the window")


def _slot_to_proto(slot: Slot) -> pb.Slot:
    return pb.Slot(
        modality=MODALITY_NUMBER[slot.modality],
        presence=PRESENCE_NUMBER[slot.presence],
        events=[event_to_proto(event) for event in slot.events],
        age_ns=slot.age_ns,
        offset_ns=slot.offset_ns,
    )


def _slot_from_proto(message: pb.Slot) -> Slot:
    presence = PRESENCE.get(message.presence)
    if presence is _ABSENT and (nothing := _NOTHING.get(message.SerializeToString())):
        return nothing
    modality = MODALITY.get(message.modality) or member("modality", message.modality, MODALITY)
    has, several = message.HasField, message.events
    at_most(limits.EVENTS_PER_SLOT, "events", several)
    events = each("events", several, event_from_proto)
    age_ns = message.age_ns if has("age_ns") else None
    offset_ns = message.offset_ns if has("offset_ns") else None
    slot = Slot(modality, presence or member("presence", message.presence, PRESENCE), events, age_ns, offset_ns)
    if not (presence in _HERE and (age_ns is None or age_ns >= 0) and (offset_ns is None or offset_ns >= 0)):
        _check_ages(slot)
    for event in events:
        if event.modality is not modality:
            raise FieldError(f"events[{events.index(event)}].modality", f"{modality} as its slot, not {event.modality}")
    return slot


def _check_ages(slot: Slot) -> None:
    """What a slot says of its events agrees with its presence."""
    age_ns, offset_ns = slot.age_ns, slot.offset_ns
    at_least(0, "age_ns", age_ns or 0)
    at_least(0, "offset_ns", offset_ns or 0)
    if slot.presence is _ABSENT:
        if slot.events:
            raise FieldError("events", f"none if absent, not {len(slot.events)}")
        if age_ns is not None:
            raise FieldError("age_ns", f"unset if absent, not {age_ns}")
    if offset_ns is not None and not slot.here:
        raise FieldError("offset_ns", f"unset if {slot.presence}, not {offset_ns}")


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
