"""What is recorded is there again, exact where it says so; what is lost is counted; damage costs only what it hit."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from agent.doubles import MS, SESSION, a_line
from examples import a_symbol, a_window, an_event
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from hypothesis import given
from hypothesis import strategies as st
from mcap.reader import make_reader
from mcap.writer import Writer
from mcap_protobuf.decoder import DecoderFactory
from strategies import events as any_event

from sensorium.clock import ManualClock
from sensorium.errors import FieldError
from sensorium.event import (
    Conductance,
    Event,
    Frame,
    Intervals,
    Modality,
    Payload,
    Pulse,
    Sample,
    Sound,
    Text,
    Touch,
    TouchPhase,
)
from sensorium.v1 import recording_pb2 as pb
from sensorium_agent.capture.recording import RecordingError, open_recording
from sensorium_agent.join import Heard, Turn
from sensorium_agent.record.media import Media
from sensorium_agent.record.messages import Arrival, Kept, arrival_from_proto, sample_to_proto, turn_from_proto
from sensorium_agent.record.reader import SessionLog
from sensorium_agent.record.recorder import Recorder
from sensorium_agent.record.scribe import Scribe
from sensorium_agent.record.session import RecordError, Session
from sensorium_agent.record.writer import SessionFile

WALL = 1_790_000_000 * 10**9
A_SESSION = Session(SESSION, (Modality.TEXT, Modality.GESTURE), 5 * MS, WALL, "a-boot", "desk", "sensorium test")
RAMP = np.arange(-400, 400, dtype=np.int16)
PICTURE = np.random.default_rng(1).integers(0, 255, (48, 64, 3), np.uint8)

SAMPLES: list[Sample] = [
    Sample(Modality.VIDEO, "camera", 0, 10 * MS, Frame(PICTURE), 3),
    Sample(Modality.AUDIO, "microphone", 0, 20 * MS, Sound(RAMP, 16_000)),
    Sample(Modality.TEXT, "keys", 4, 30 * MS, Text("grüß dich")),
    Sample(Modality.HAPTIC, "touch", 0, 40 * MS, Touch(1, TouchPhase.MOVE, 0.1, 1 / 3, 0.7)),
    Sample(Modality.BIOMETRIC, "pulse", 0, 50 * MS, Pulse(np.float32([0.1, -2e20]), 100.0)),
    Sample(Modality.BIOMETRIC, "strap", 0, 60 * MS, Intervals(np.float32([812.5, 790]))),
    Sample(Modality.BIOMETRIC, "skin", 0, 70 * MS, Conductance(np.float32([0.3]), 4.0)),
]
TURNS = [
    Turn(100 * MS, (Heard(Modality.GESTURE, (an_event(), an_event(number=1)), 90 * MS),)),
    Turn(500 * MS),
    Turn(510 * MS, (Heard(Modality.TEXT, (), None), Heard(Modality.GESTURE, (an_event(number=2),), 480 * MS))),
    Turn(900 * MS, last=True),
]


def recorded(path: Path, *, media: Media = Media.NOTHING, end: bool = True) -> Recorder:
    """A file with a few of everything."""
    clock = ManualClock(5 * MS)
    recorder = Recorder(path, media=media, patient=True)
    recorder.begin(A_SESSION, clock)
    for sample in SAMPLES:
        clock.at_ns = sample.at_ns + 2 * MS
        recorder.on_sample(sample)
    for turn in TURNS:
        clock.at_ns = turn.now_ns
        recorder.on_turn(turn)
    recorder.on_window(a_window())
    recorder.on_symbol(a_symbol())
    recorder.on_status("sensor", name="camera", state="up")
    if end:
        recorder.end()
    return recorder


def same(one: Payload, other: Payload) -> bool:
    """Whether two samples' data are equal, arrays by value."""
    names = type(one).__slots__
    pairs = [(getattr(one, name), getattr(other, name)) for name in names]
    return type(one) is type(other) and all(np.array_equal(a, b) for a, b in pairs)


# --- what is kept ------------------------------------------------------------------------


def test_turns_windows_and_symbols_are_there_again(tmp_path: Path) -> None:
    recorded(tmp_path / "a.mcap")
    log = SessionLog(tmp_path / "a.mcap")

    assert log.session == A_SESSION
    assert list(log.turns()) == TURNS
    assert list(log.windows()) == [a_window()]
    assert list(log.symbols()) == [a_symbol()]
    assert [reading.offset_ns != 0 for reading in log.readings()]


def test_with_png_every_sample_is_there_again_bit_by_bit(tmp_path: Path) -> None:
    recorded(tmp_path / "a.mcap", media=Media.PNG)
    found = list(SessionLog(tmp_path / "a.mcap").arrivals())

    assert all(same(a.sample.data, s.data) for a, s in zip(found, SAMPLES, strict=True))
    assert [(a.sample.at_ns, a.sample.at_error_ns, a.sample.sequence) for a in found] == [
        (s.at_ns, s.at_error_ns, s.sequence) for s in SAMPLES
    ]
    assert [a.arrived_ns - a.sample.at_ns for a in found] == [2 * MS] * len(SAMPLES)
    assert {a.kept for a in found} == {Kept.WHOLE}


def test_with_jpeg_a_picture_is_a_likeness_and_sound_is_exact(tmp_path: Path) -> None:
    recorded(tmp_path / "a.mcap", media=Media.JPEG)
    found = list(SessionLog(tmp_path / "a.mcap").arrivals())

    assert found[0].kept is Kept.LIKENESS
    assert isinstance(found[0].sample.data, Frame)
    assert found[0].sample.data.pixels.shape == PICTURE.shape
    assert found[1].kept is Kept.WHOLE
    assert same(found[1].sample.data, SAMPLES[1].data)


def test_pictures_and_sound_are_kept_only_if_they_are_asked_for(tmp_path: Path) -> None:
    recorded(tmp_path / "a.mcap")
    log = SessionLog(tmp_path / "a.mcap")

    assert [a.sample.source for a in log.arrivals()] == ["keys", "touch", "pulse", "strap", "skin"]
    assert [s.name for s in log.contents().sensors if not s.playable] == ["camera", "microphone"]
    assert PICTURE.tobytes() not in (tmp_path / "a.mcap").read_bytes()


@given(st.lists(any_event(), max_size=4))
def test_any_event_survives_the_turn_it_was_heard_in(heard: list[Event]) -> None:
    from sensorium.wire import event_from_proto, event_to_proto
    from sensorium_agent.record.messages import turn_to_proto

    turn = Turn(5, (Heard(Modality.TEXT, tuple(heard), 3),))
    stored = [event_from_proto(event_to_proto(event)) for event in heard]

    assert turn_from_proto(turn_to_proto(turn, 0), stored) == turn


def test_the_file_opens_with_the_mcap_library_and_brings_its_own_schemas(tmp_path: Path) -> None:
    recorded(tmp_path / "a.mcap", media=Media.JPEG)
    with (tmp_path / "a.mcap").open("rb") as file:
        reader = make_reader(file, validate_crcs=True, decoder_factories=[DecoderFactory()])
        found = {channel.topic: message for _, channel, _, message in reader.iter_decoded_messages()}
        summary = reader.get_summary()
        assert summary is not None
        assert summary.statistics is not None
        schemas = {s.name: FileDescriptorSet.FromString(s.data) for s in summary.schemas.values()}
        counted = summary.statistics.message_count

    assert found["/media/camera"].format == "jpeg"
    assert found["/media/microphone"].number_of_channels == 1
    assert found["/event/gesture"].label == "thumb_up"
    assert {"foxglove.CompressedImage", "foxglove.RawAudio", "foxglove.Log", "sensorium.v1.Event"} <= schemas.keys()
    assert all(any("proto" in part.name for part in schema.file) for schema in schemas.values())
    assert counted > len(SAMPLES) + len(TURNS)


def test_times_in_the_file_are_wall_time_by_the_sessions_offset(tmp_path: Path) -> None:
    recorded(tmp_path / "a.mcap")
    with (tmp_path / "a.mcap").open("rb") as file:
        stored = [(c.topic, m.log_time, m.publish_time) for _, c, m in make_reader(file).iter_messages()]

    assert ("/event/gesture", WALL + 100 * MS, WALL + an_event().at_ns) in stored
    assert ("/sample/keys", WALL + 32 * MS, WALL + 30 * MS) in stored


@pytest.mark.parametrize("compression", ["zstd", "lz4", "none"])
def test_every_compression_is_read_back(tmp_path: Path, compression: str) -> None:
    recorder = Recorder(tmp_path / "a.mcap", compression=compression)
    recorder.begin(A_SESSION, ManualClock())
    for turn in TURNS:
        recorder.on_turn(turn)
    recorder.end()

    assert list(SessionLog(tmp_path / "a.mcap").turns()) == TURNS


def test_a_recording_plays_as_files_do_and_from_its_own_start(tmp_path: Path) -> None:
    recorded(tmp_path / "a.mcap", media=Media.PNG)
    recording = open_recording(tmp_path / "a.mcap")

    assert recording.duration_s == pytest.approx(0.895)
    assert [s.at_ns for s in recording.samples()] == [s.at_ns - 5 * MS for s in SAMPLES]


def test_a_recording_without_samples_says_how_to_get_some(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "a.mcap")
    recorder.begin(A_SESSION, ManualClock())
    recorder.end()

    with pytest.raises(RecordError, match="--media"):
        open_recording(tmp_path / "a.mcap")


# --- what is lost ------------------------------------------------------------------------


class Held:
    """A clock that stops whoever reads it in the writing thread: the disk hangs."""

    def __init__(self) -> None:
        self.open = threading.Event()

    def now_ns(self) -> int:
        if threading.current_thread().name == "record":
            self.open.wait(10)
        return 0


def test_a_disk_that_hangs_stops_nobody_and_what_finds_no_room_is_counted_in_the_file(tmp_path: Path) -> None:
    clock = Held()
    recorder = Recorder(tmp_path / "a.mcap", room=3)
    recorder.begin(A_SESSION, clock)
    for number in range(10):
        recorder.on_turn(Turn(number * MS))
    recorder.on_sample(a_line("lost"))
    clock.open.set()
    recorder.end()

    log = SessionLog(tmp_path / "a.mcap")
    lost = log.contents().losses
    assert lost == dict(recorder.losses)
    assert lost["turn"] >= 6
    assert lost["sample.text"] == 1
    assert len(list(log.turns())) + lost["turn"] == 10


def test_a_lost_turn_leaves_a_gap_that_the_reader_finds(tmp_path: Path) -> None:
    file = SessionFile(tmp_path / "a.mcap", A_SESSION)
    scribe = Scribe(file, A_SESSION, Media.NOTHING)
    for number in (0, 1, 4):
        scribe.turn(Turn(number * MS), number)
    file.finish({"turn": 2})

    contents = SessionLog(tmp_path / "a.mcap").contents()
    assert (contents.turns, contents.missing_turns, contents.losses) == (3, 2, {"turn": 2})


def test_a_picture_without_room_is_lost_and_its_sample_says_so(tmp_path: Path) -> None:
    clock = Held()
    recorder = Recorder(tmp_path / "a.mcap", media=Media.JPEG, media_room_bytes=PICTURE.nbytes)
    recorder.begin(A_SESSION, clock)
    for number in range(3):
        recorder.on_sample(replace(SAMPLES[0], sequence=number))
    clock.open.set()
    recorder.end()

    contents = SessionLog(tmp_path / "a.mcap").contents()
    assert contents.losses == {"media.video": 2}
    assert contents.sensors[0].kept == {Kept.LIKENESS: 1, Kept.LOST: 2}


def test_a_full_disk_ends_the_recording_in_one_line_and_not_the_agent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: SessionFile, *_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    recorder = Recorder(tmp_path / "a.mcap", room=2)
    recorder.begin(A_SESSION, ManualClock())
    monkeypatch.setattr(SessionFile, "write", full)
    for turn in TURNS * 3:
        recorder.on_turn(turn)

    with pytest.raises(RecordError, match="No space left"):
        recorder.end()


def test_a_disk_that_is_full_only_for_the_end_of_the_file_is_one_line_too_and_nobody_waits_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: SessionFile, *_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(SessionFile, "finish", full)
    recorder = Recorder(tmp_path / "a.mcap")
    recorder.begin(A_SESSION, ManualClock())
    ended: list[Exception] = []

    def end() -> None:
        with pytest.raises(RecordError, match="No space left on device; the recording is good up to there") as raised:
            recorder.end()
        ended.append(raised.value)

    ending = threading.Thread(target=end, daemon=True)
    ending.start()
    ending.join(5)

    assert len(ended) == 1


def test_a_disk_that_is_full_already_is_one_line_and_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: SessionFile) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(SessionFile, "sync", full)

    with pytest.raises(RecordError, match="No space left on device; free some space"):
        Recorder(tmp_path / "a.mcap").begin(A_SESSION, ManualClock())
    assert not (tmp_path / "a.mcap").exists()


def test_a_fault_in_the_writing_thread_is_raised_at_the_end_and_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(self: SessionFile, *_: object, **__: object) -> None:
        raise ZeroDivisionError

    recorder = Recorder(tmp_path / "a.mcap", room=2, patient=True)
    recorder.begin(A_SESSION, ManualClock())
    monkeypatch.setattr(SessionFile, "write", wrong)
    for turn in TURNS * 3:
        recorder.on_turn(turn)

    with pytest.raises(ZeroDivisionError):
        recorder.end()


# --- what is damaged ---------------------------------------------------------------------


def chunks_on_disk(path: Path) -> Iterator[int]:
    """Where each chunk ends."""
    with path.open("rb") as file:
        summary = make_reader(file).get_summary()
        assert summary is not None
        yield from (c.chunk_start_offset + c.chunk_length for c in summary.chunk_indexes)


def many_turns(path: Path) -> list[Turn]:
    """A file of several chunks."""
    file = SessionFile(path, A_SESSION)
    scribe = Scribe(file, A_SESSION, Media.NOTHING)
    turns = [Turn(n * MS, (Heard(Modality.GESTURE, (an_event(number=n),), n * MS),)) for n in range(50)]
    for number, turn in enumerate(turns):
        scribe.turn(turn, number)
        if number % 10 == 9:
            file.sync()
    file.finish({})
    return turns


def test_a_file_cut_off_anywhere_is_good_up_to_its_last_whole_chunk(tmp_path: Path) -> None:
    turns = many_turns(tmp_path / "whole.mcap")
    data, ends = (tmp_path / "whole.mcap").read_bytes(), list(chunks_on_disk(tmp_path / "whole.mcap"))
    (cut := tmp_path / "cut.mcap").touch()

    for size in range(ends[0], len(data), 97):
        cut.write_bytes(data[:size])
        log = SessionLog(cut)
        assert list(log.turns()) == turns[: 10 * sum(end <= size for end in ends)]
        assert not log.contents().whole


def test_a_damaged_chunk_is_counted_and_the_rest_is_read(tmp_path: Path) -> None:
    turns = many_turns(tmp_path / "a.mcap")
    data, ends = bytearray((tmp_path / "a.mcap").read_bytes()), list(chunks_on_disk(tmp_path / "a.mcap"))
    data[ends[2] - 40] ^= 0xFF
    (tmp_path / "a.mcap").write_bytes(data)

    log = SessionLog(tmp_path / "a.mcap")
    contents = log.contents()
    assert list(log.turns()) == turns[:20] + turns[30:]
    assert (contents.damaged_chunks, contents.missing_turns, contents.whole) == (1, 10, True)


def test_a_damaged_first_chunk_costs_no_more_than_another(tmp_path: Path) -> None:
    turns = many_turns(tmp_path / "a.mcap")
    data, ends = bytearray((tmp_path / "a.mcap").read_bytes()), list(chunks_on_disk(tmp_path / "a.mcap"))
    data[ends[0] - 40] ^= 0xFF
    (tmp_path / "a.mcap").write_bytes(data)

    assert list(SessionLog(tmp_path / "a.mcap").turns()) == turns[10:]


@given(st.data())
def test_no_damage_breaks_the_reader(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.mcap"
    if not path.with_suffix(".good").exists():
        many_turns(path.with_suffix(".good"))
    stored = bytearray(path.with_suffix(".good").read_bytes())
    for at in data.draw(st.lists(st.integers(0, len(stored) - 1), min_size=1, max_size=8)):
        stored[at] = data.draw(st.integers(0, 255))
    path.write_bytes(stored)

    with contextlib.suppress(RecordError):
        log = SessionLog(path)
        log.contents()
        list(log.turns())


def test_what_is_no_recording_is_refused_in_one_line(tmp_path: Path) -> None:
    (empty := tmp_path / "empty.mcap").touch()
    (text := tmp_path / "text.mcap").write_text("these are words and no recording")
    with (foreign := tmp_path / "foreign.mcap").open("wb") as file:
        writer = Writer(file)
        writer.start()
        writer.finish()
    causes = {
        empty: "is empty",
        text: "is no MCAP file",
        foreign: "no session of ours",
        tmp_path / "no": "No such file",
        tmp_path: "is a folder",
        Path(os.devnull): "is no file on a disk",
    }

    for path, cause in causes.items():
        with pytest.raises(RecordError, match=cause) as raised:
            SessionLog(path)
        assert str(path) in str(raised.value)
        assert "\n" not in str(raised.value)
    with pytest.raises(RecordingError, match="check the path"):
        open_recording(tmp_path / "none.mcap")


def test_a_file_is_never_written_over(tmp_path: Path) -> None:
    (path := tmp_path / "a.mcap").write_text("precious")

    with pytest.raises(RecordError, match="choose another name"):
        Recorder(path).begin(A_SESSION, ManualClock())
    assert path.read_text() == "precious"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"modality": 0}, "modality"),
        ({"kept": 9}, "kept"),
        ({"at_error_ns": -1}, "at_error_ns"),
        ({"touch": pb.Touch(phase=7)}, "touch.phase"),
        ({"touch": pb.Touch(phase=1, x=float("nan"))}, "touch.x"),
        ({"series": pb.Series(kind=1, rate_hz=-1)}, "series.rate_hz"),
        ({"series": pb.Series(kind=8, rate_hz=1)}, "series.kind"),
    ],
)
def test_a_sample_that_no_recorder_writes_is_refused_by_field(changes: dict[str, object], field: str) -> None:
    message = sample_to_proto(Arrival(5, SAMPLES[2]))
    for name, value in changes.items():
        if isinstance(value, int):
            setattr(message, name, value)
        else:
            getattr(message, name).CopyFrom(value)

    with pytest.raises(FieldError) as raised:
        arrival_from_proto(message)
    assert raised.value.field == field
