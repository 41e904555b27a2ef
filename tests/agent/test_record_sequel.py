"""Several files become one session, and a session may end early."""

from __future__ import annotations

from pathlib import Path

from sensorium.event import Modality, Text
from sensorium_agent.capture.recording import Recording, open_recording
from sensorium_agent.capture.sequel import beginning, one_after_another

S = 1_000_000_000
RECORDINGS = Path(__file__).parents[1] / "recordings"


def words(tmp_path: Path, name: str, *lines: str) -> Recording:
    (path := tmp_path / name).write_text("\n".join(lines))
    return open_recording(path)


def test_one_recording_stays_what_it_is(tmp_path: Path) -> None:
    recording = words(tmp_path, "a.txt", "stop")

    assert one_after_another([recording]) is recording


def test_a_second_file_begins_a_second_after_the_first_and_goes_on_counting(tmp_path: Path) -> None:
    first, second = words(tmp_path, "a.txt", "0\tstop", "2\tgo"), words(tmp_path, "b.txt", "0.5\ton")
    both = one_after_another([first, second])

    found = [(s.sequence, s.at_ns, s.data.line) for s in both.samples() if isinstance(s.data, Text)]
    assert found == [(0, 0, "stop"), (1, 2 * S, "go"), (2, 3_500_000_000, "on")]
    assert both.duration_s == 3.5


def test_files_of_several_senses_are_one_session_of_several_sensors(tmp_path: Path) -> None:
    both = one_after_another([words(tmp_path, "a.txt", "stop"), open_recording(RECORDINGS / "touches.jsonl")])

    assert both.modalities == (Modality.TEXT, Modality.HAPTIC)
    assert [s.at_ns for s in both.samples()] == sorted(s.at_ns for s in both.samples())


def test_the_beginning_of_a_recording_ends_in_time(tmp_path: Path) -> None:
    cut = beginning(words(tmp_path, "a.txt", "0\tstop", "1\tgo", "5\ton"), 1.0)

    assert [s.at_ns for s in cut.samples()] == [0, S]
    assert cut.duration_s == 1.0
