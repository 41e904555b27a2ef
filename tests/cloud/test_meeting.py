"""Several devices feed one session: what one saw counts in the windows of another, by when it happened."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cloud.doubles import an_event, connected, settings, words

from sensorium import wire
from sensorium.delivery import SequencedSymbol
from sensorium.event import Event, Media, Modality
from sensorium.window import Presence, Slot, Window
from sensorium_cloud.refine import Engines
from sensorium_cloud.rooms.meeting import Meetings

MS = 1_000_000
HOUR_NS = 3600 * 1_000 * MS


def saw(event: Event, at_ms: int, *, clock_ns: int = 0, index: int = 0) -> Window:
    """A window of half a second in which one thing was seen, on a clock that is ahead by ``clock_ns``."""
    start_ns = 500 * index * MS + clock_ns
    end_ns = start_ns + 500 * MS
    dated = replace(event, at_ns=at_ms * MS + clock_ns)
    slots = tuple(
        Slot(m, Presence.PRESENT, (dated,), end_ns - dated.at_ns, 0)
        if m is event.modality
        else Slot(m, Presence.ABSENT)
        for m in Modality
    )
    name = f"kitchen.{index}"
    return Window(name, "kitchen", index, 0, start_ns, end_ns, end_ns + 50 * MS, slots)


PALM = an_event("open_palm")
STOP = words("stop")


def test_one_feeder_keeps_its_windows_as_they_are() -> None:
    meetings = Meetings()
    window = saw(PALM, 100)

    assert meetings.join("pi", window, 550 * MS) is window
    assert meetings.join("pi", replace(window, id="kitchen.1", index=1), 1050 * MS).slot(Modality.TEXT).events == ()


def test_what_another_saw_at_that_time_is_in_the_window_whatever_its_clock_says() -> None:
    meetings = Meetings()
    meetings.join("camera", saw(PALM, 100), arrived_ns=550 * MS)

    met = meetings.join("phone", saw(STOP, 200, clock_ns=HOUR_NS), arrived_ns=551 * MS)

    palm = met.slot(Modality.GESTURE)
    assert (palm.presence, [e.label for e in palm.events]) == (Presence.PRESENT, ["open_palm"])
    assert palm.events[0].at_ns - HOUR_NS == pytest.approx(100 * MS, abs=2 * MS)
    assert palm.events[0].at_error_ns >= 100 * MS
    assert met.slot(Modality.TEXT).offset_ns == pytest.approx(100 * MS, abs=2 * MS)
    assert meetings.met == 1


def test_what_another_saw_shortly_before_is_stale_and_what_is_older_is_not_there() -> None:
    meetings = Meetings()
    meetings.join("camera", saw(PALM, 100), 550 * MS)

    assert meetings.join("phone", saw(STOP, 1100, index=2), 1550 * MS).slot(Modality.GESTURE).presence is Presence.STALE
    assert (
        meetings.join("phone", saw(STOP, 4600, index=9), 5050 * MS).slot(Modality.GESTURE).presence is Presence.ABSENT
    )


def test_what_both_saw_is_there_from_both_in_order() -> None:
    meetings = Meetings()
    meetings.join("left", saw(an_event("thumb_up"), 300), 550 * MS)

    met = meetings.join("right", saw(PALM, 100), 550 * MS)

    assert [e.label for e in met.slot(Modality.GESTURE).events] == ["open_palm", "thumb_up"]
    assert wire.window_from_proto(wire.window_to_proto(met)) == met


def test_another_sessions_devices_and_pictures_stay_out() -> None:
    meetings = Meetings()
    picture = an_event(None, modality=Modality.VIDEO, media=Media("image/jpeg", b"private"))
    elsewhere = saw(PALM, 100)
    events = replace(elsewhere, id="hall.0", session_id="hall")
    meetings.join("camera", events, 550 * MS)
    meetings.join("camera", saw(picture, 100), 550 * MS)

    met = meetings.join("phone", saw(STOP, 200), 550 * MS)

    assert met.slot(Modality.GESTURE).events == ()
    assert [e.media for e in met.slot(Modality.VIDEO).events] == [None]


def test_a_revision_takes_the_place_of_what_it_amends() -> None:
    meetings = Meetings()
    meetings.join("camera", saw(PALM, 100), 550 * MS)
    meetings.join("camera", replace(saw(an_event("thumb_up"), 100), revision=1), 600 * MS)

    met = meetings.join("phone", saw(STOP, 200), 550 * MS)

    assert [e.label for e in met.slot(Modality.GESTURE).events] == ["thumb_up"]


def test_sessions_are_bounded() -> None:
    meetings = Meetings(max_sessions=2)
    for number in range(5):
        meetings.join("pi", replace(saw(PALM, 100), session_id=f"s{number}", id=f"s{number}.0"), 550 * MS)

    assert len(meetings) == 2


@pytest.mark.needs_models
async def test_a_gesture_of_one_device_and_a_word_of_another_meet_over_grpc(engines: Engines) -> None:
    async with connected(settings(), engines) as client:
        camera, phone = client.device(), client.device()
        await camera.greet(device="camera", spool="camera")
        await phone.greet(device="phone", spool="phone")
        await camera.send(saw(PALM, 400))
        shown = await camera.hear()
        await phone.send(saw(STOP, 450, clock_ns=HOUR_NS))
        said = await phone.hear()

    assert isinstance(shown, SequencedSymbol)
    assert isinstance(said, SequencedSymbol)
    assert shown.symbol.modalities == (Modality.GESTURE,)
    assert said.symbol.modalities == (Modality.TEXT, Modality.GESTURE)
    assert said.symbol.concept == "stop"
    assert {s.modality for s in said.symbol.shares if s.contribution} == {Modality.TEXT, Modality.GESTURE}


def test_times_that_are_too_far_apart_for_the_wire_do_not_stop_an_answer() -> None:
    meetings = Meetings()
    meetings.join("camera", saw(PALM, 100), arrived_ns=550 * MS)
    odd = saw(STOP, 200)
    first, last = (
        replace(STOP, at_ns=-(1 << 63)),
        replace(an_event("speech", modality=Modality.AUDIO), at_ns=(1 << 63) - 1),
    )
    slots = {
        Modality.TEXT: Slot(Modality.TEXT, Presence.PRESENT, (first,), 0, 0),
        Modality.AUDIO: Slot(Modality.AUDIO, Presence.PRESENT, (last,), 0, 0),
    }

    met = meetings.join("phone", replace(odd, slots=tuple(slots.get(s.modality, s) for s in odd.slots)), 551 * MS)

    assert met.slot(Modality.GESTURE).here
    assert wire.window_from_proto(wire.window_to_proto(met)) == met
