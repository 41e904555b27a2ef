"""The demo's recording holds what its description says."""

from __future__ import annotations

import itertools
from pathlib import Path

import msgspec
import pytest

import sensorium_agent.demo
from sensorium.event import Modality, Sound
from sensorium_agent.capture.recording import open_recording
from sensorium_agent.capture.tracks import SoundTrack
from sensorium_agent.demo import strokes

FOLDER = Path(sensorium_agent.demo.__file__).parent


def test_the_strokes_are_what_their_seed_gives() -> None:
    assert (FOLDER / "strokes.jsonl").read_bytes() == strokes.lines()


def test_a_stroke_lands_moves_and_lifts_like_a_finger() -> None:
    points = [msgspec.json.decode(line) for line in strokes.lines().splitlines()]

    phases = [point["phase"] for point in points]
    assert phases.count("down") == phases.count("up") == len(strokes.STORY)
    assert all(later["t_s"] > earlier["t_s"] for earlier, later in itertools.pairwise(points))
    swipe = [point["x"] for point in points if point["t_s"] < 18]
    speeds = [abs(later - earlier) for earlier, later in itertools.pairwise(swipe)]
    assert max(speeds) > 3 * speeds[0]
    assert max(speeds) > 3 * speeds[-1]


@pytest.mark.needs_media
def test_the_demo_has_every_sense_and_is_short() -> None:
    recording = open_recording(FOLDER)

    assert recording.duration_s == 45
    senses = (Modality.VIDEO, Modality.AUDIO, Modality.TEXT, Modality.HAPTIC, Modality.BIOMETRIC)
    assert recording.modalities == senses
    assert {e.modality for e in recording.expect} >= {"symbol", "gesture", "audio", "text", "haptic", "biometric"}
    assert all(e.at_s + e.for_s <= 45 for e in recording.expect)


@pytest.mark.needs_media
def test_voices_are_heard_where_they_are_expected() -> None:
    recording = open_recording(FOLDER)
    (sound,) = (track for track in recording.tracks if isinstance(track, SoundTrack))

    loud_s = {
        int(s.at_ns // 1e9) for s in sound.samples() if isinstance(s.data, Sound) and abs(s.data.pcm).max() > 1000
    }

    assert {2, 12, 13, 14, 33, 34} <= loud_s <= {2, 3, 12, 13, 14, 15, 33, 34, 35}
