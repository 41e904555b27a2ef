"""Files play as sensors: each kind by itself, several on one time line, at once or in their own time."""

from __future__ import annotations

import itertools
import json
import struct
import wave
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
import soundfile

from sensorium.clock import ManualClock
from sensorium.errors import SensoriumError
from sensorium.event import Frame, Modality, Pulse, Sample, Sound, Text, TouchPhase
from sensorium.settings import SettingsError
from sensorium_agent.capture.ahead import Ahead
from sensorium_agent.capture.recording import PlayedSensor, Recording, RecordingError, open_recording
from sensorium_agent.capture.tracks import TextTrack
from sensorium_agent.capture.wav import read_header

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def a_photo(path: Path, rgb: tuple[int, int, int] = RED, size: tuple[int, int] = (64, 48)) -> Path:
    cv2.imwrite(str(path), np.full((size[1], size[0], 3), rgb[::-1], np.uint8))
    return path


def a_film(path: Path, frames: int = 30, fps: float = 10) -> Path:
    film = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), fps, (64, 48))
    for number in range(frames):
        film.write(np.full((48, 64, 3), number * 8, np.uint8))
    film.release()
    return path


def a_wav(path: Path, pcm: np.ndarray, rate_hz: int = 16_000, channels: int = 1) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, 2, rate_hz, 0, "NONE", ""))
        file.writeframes(pcm.astype("<i2").tobytes())
    return path


def all_of(path: Path) -> list[Sample]:
    return list(open_recording(path).samples())


def heard(samples: Sequence[Sample]) -> np.ndarray:
    return np.concatenate([s.data.pcm for s in samples if isinstance(s.data, Sound)])


def colour(sample: Sample) -> tuple[int, ...]:
    assert isinstance(sample.data, Frame)
    height, width = sample.data.pixels.shape[:2]
    return tuple(int(v) for v in sample.data.pixels[height // 2, width // 2])


# --- one file ----------------------------------------------------------------------------


def test_a_photo_is_one_picture_at_0(tmp_path: Path) -> None:
    recording = open_recording(a_photo(tmp_path / "red.png"))

    (only,) = recording.samples()

    assert (only.at_ns, colour(only)) == (0, RED)
    assert recording.modalities == (Modality.VIDEO,)
    assert recording.captured_bytes == 64 * 48 * 3


def test_a_video_keeps_its_own_times_and_every_picture(tmp_path: Path) -> None:
    recording = open_recording(a_film(tmp_path / "v.avi", frames=30, fps=10))

    samples = list(recording.samples())

    assert [s.at_ns for s in samples] == [n * 100_000_000 for n in range(30)]
    assert [s.sequence for s in samples] == list(range(30))
    assert abs(colour(samples[20])[0] - 160) < 6
    assert recording.duration_s == pytest.approx(3.0)


def test_sound_comes_in_runs_dated_at_their_end(tmp_path: Path) -> None:
    pcm = np.arange(1000, dtype=np.int16)

    samples = all_of(a_wav(tmp_path / "s.wav", pcm))

    assert [s.at_ns for s in samples] == [20_000_000, 40_000_000, 60_000_000, 62_500_000]
    assert np.array_equal(heard(samples), pcm)


def test_bare_samples_are_sound_at_16_khz(tmp_path: Path) -> None:
    pcm = np.arange(320, dtype="<i2")
    (tmp_path / "s.raw").write_bytes(pcm.tobytes())

    assert np.array_equal(heard(all_of(tmp_path / "s.raw")), pcm)


def test_stereo_at_44_khz_becomes_mono_at_16(tmp_path: Path) -> None:
    tone = 8000 * np.sin(2 * np.pi * 440 * np.arange(44_100) / 44_100)
    both = np.stack([tone, -tone / 2], axis=1).ravel()

    samples = all_of(a_wav(tmp_path / "s.wav", np.rint(both), 44_100, 2))

    pcm = heard(samples)
    expected = 2000 * np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)
    assert len(pcm) == 16_000
    assert np.abs(pcm - expected)[200:-200].max() < 5


def test_other_codings_of_wav_sound_the_same(tmp_path: Path) -> None:
    values = np.array([0.0, 0.5, -0.5, 0.25] * 80)
    codings = {
        "u8": (1, 8, ((values * 128) + 128).astype(np.uint8).tobytes()),
        "s24": (1, 24, b"".join(int(v * 2**23).to_bytes(3, "little", signed=True) for v in values)),
        "s32": (1, 32, (values * 2**31).astype("<i4").tobytes()),
        "f32": (3, 32, values.astype("<f4").tobytes()),
    }
    for name, (coding, bits, data) in codings.items():
        form = struct.pack("<HHIIHH", coding, 1, 16_000, 16_000 * bits // 8, bits // 8, bits)
        chunks = (
            b"fmt " + struct.pack("<I", 16) + form + b"LIST\x03\0\0\0abc\0" + b"data" + struct.pack("<I", len(data))
        )
        (tmp_path / f"{name}.wav").write_bytes(b"RIFF\0\0\0\0WAVE" + chunks + data)

        assert np.abs(heard(all_of(tmp_path / f"{name}.wav")) - values * 32768).max() < 2, name


def test_lines_come_one_a_second_or_at_their_times(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("hello\n\n2.5\tturn on the light\nthank you\n")

    samples = all_of(tmp_path / "t.txt")

    assert [s.data for s in samples] == [Text("hello"), Text("turn on the light"), Text("thank you")]
    assert [s.at_ns / 1e9 for s in samples] == [0, 2.5, 3.5]


def test_a_byte_order_mark_before_touches_is_none_of_them(tmp_path: Path) -> None:
    touch = {"t_s": 0.1, "pointer": 0, "phase": "down", "x": 0.5, "y": 0.5}
    (tmp_path / "t.jsonl").write_text(json.dumps(touch) + "\r\n", "utf-8-sig")

    assert len(all_of(tmp_path / "t.jsonl")) == 1


def test_strokes_come_at_their_times(tmp_path: Path) -> None:
    lines = [
        {"t_s": 0.1, "pointer": 0, "phase": "down", "x": 0.2, "y": 0.3},
        {"t_s": 0.2, "pointer": 0, "phase": "up", "x": 1, "y": 0},
    ]
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, lines)))

    down, up = all_of(tmp_path / "t.jsonl")

    assert (down.at_ns, down.data.phase, down.data.x) == (100_000_000, TouchPhase.DOWN, 0.2)  # type: ignore[union-attr]
    assert (up.at_ns, up.data.phase) == (200_000_000, TouchPhase.UP)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("text", "rate_hz"),
    [
        ("# rate_hz=100\n" + "\n".join(map(str, range(300))), 100),
        ("t_s,value\n" + "\n".join(f"{n / 100},{n}" for n in range(300)), 100),
        ("timer,hr\n" + "\n".join(f"{n * 10},{n}" for n in range(300)), 100),
        (
            "datetime,hr\n" + "\n".join(f"2016-11-24 13:58:{n // 100:02d}.{n % 100:02d}0000,{n}" for n in range(300)),
            100,
        ),
    ],
    ids=["one column", "seconds", "milliseconds", "dates"],
)
def test_a_pulse_is_read_however_it_was_written(tmp_path: Path, text: str, rate_hz: float) -> None:
    (tmp_path / "p.csv").write_text(text)

    samples = all_of(tmp_path / "p.csv")

    runs = [s.data for s in samples if isinstance(s.data, Pulse)]
    assert {round(run.rate_hz, 3) for run in runs} == {rate_hz}
    assert np.concatenate([run.values for run in runs]) == pytest.approx(np.arange(300), abs=0.01)
    assert samples[-1].at_ns == pytest.approx(3e9)


# --- files that are not what they should be ----------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "way_out"),
    [
        ("a.jpg", b"not a picture", ".jpg or .png"),
        ("a.jpg", b"", ".jpg or .png"),
        ("a.mp4", b"not a video", "out.mp4"),
        ("a.wav", b"RIFF\0\0\0\0WAVEfmt ", "out.wav"),
        ("a.wav", b"RIFF\0\0\0\0WAVEdata\4\0\0\0abcd", "out.wav"),
        ("a.raw", b"", "out.wav"),
        ("a.txt", b"\xff\xfe\xfa", "a line each"),
        ("a.txt", b"\n\n", "a line each"),
        ("a.jsonl", b'{"t_s": 1}\n', '"phase": "down"'),
        ("a.csv", b"1\n2\n3\n", "t_s,ppg,eda_us"),
        ("a.csv", b"t,v\n0.1,1\n0.0,2\n", "t_s,ppg,eda_us"),
        ("a.csv", b"1,1\n2\n", "t_s,ppg,eda_us"),
        ("a.xyz", b"?", "sound (.wav .flac .ogg .mp3 ...), text (.txt)"),
        ("noending", b"?", "sound (.wav .flac .ogg .mp3 ...), text (.txt)"),
    ],
)
def test_a_bad_file_is_one_line_that_names_it_and_the_way_out_for_its_kind(
    tmp_path: Path, name: str, content: bytes, way_out: str
) -> None:
    (tmp_path / name).write_bytes(content)

    with pytest.raises(RecordingError) as refused:
        open_recording(tmp_path / name)

    text = str(refused.value)
    assert str(tmp_path / name) in text
    assert way_out in text
    assert ("(.wav" in text) == (name in {"a.xyz", "noending"})
    assert "\n" not in text


def test_a_file_without_what_is_asked_for_says_what_to_give(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hello\n")
    (tmp_path / "a.mid").write_bytes(b"MThd")
    (tmp_path / "a.m4a").write_bytes(b"ftyp")
    a_film(tmp_path / "a.avi", frames=2)
    give = r"give sound \(\.wav \.flac \.ogg \.mp3 \.\.\.\), a session"

    with pytest.raises(RecordingError, match=rf"a\.txt: it has no sound; {give}"):
        open_recording(tmp_path / "a.txt", [Modality.AUDIO])
    with pytest.raises(RecordingError, match=rf"a\.mid: \.mid is no kind .* known here; {give}"):
        open_recording(tmp_path / "a.mid", [Modality.AUDIO])
    with pytest.raises(RecordingError, match=r"a\.m4a: \.m4a is no kind .* known here; convert it, .* out\.wav"):
        open_recording(tmp_path / "a.m4a", [Modality.AUDIO])
    with pytest.raises(RecordingError, match=r"a\.avi: of a video only the pictures are read; convert it, .* out\.wav"):
        open_recording(tmp_path / "a.avi", [Modality.AUDIO])


def test_a_picture_may_be_of_any_depth_and_turned(tmp_path: Path) -> None:
    scene = np.zeros((40, 60, 3), np.uint8)
    scene[:, :30] = 200
    cv2.imwrite(str(tmp_path / "deep.png"), scene.astype(np.uint16) * 257)
    cv2.imwrite(str(tmp_path / "clear.png"), np.dstack([scene, np.full((40, 60), 255, np.uint8)]))
    cv2.imwrite(str(tmp_path / "grey.png"), scene[:, :, 0])
    _, upright = cv2.imencode(".jpg", np.ascontiguousarray(np.rot90(scene)))
    held_on_its_side = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    exif = struct.pack(">HH", 0xFFE1, len(held_on_its_side) + 2) + held_on_its_side
    (tmp_path / "turned.jpg").write_bytes(upright.tobytes()[:2] + exif + upright.tobytes()[2:])

    for path in tmp_path.iterdir():
        (sample,) = open_recording(path).samples()
        assert isinstance(sample.data, Frame)
        assert sample.data.pixels.dtype == np.uint8
        assert np.abs(sample.data.pixels.astype(int) - scene).mean() < 5, path.name


@pytest.mark.parametrize("name", ["a.flac", "a.ogg", "a.mp3", "a.aiff", "a.w64", "adpcm.wav"])
def test_compressed_sound_is_heard_as_it_was(tmp_path: Path, name: str) -> None:
    tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(44_100) / 44_100)
    coding = "IMA_ADPCM" if name.startswith("adpcm") else None
    soundfile.write(tmp_path / name, np.stack([tone, tone], axis=1), 44_100, subtype=coding)

    pcm = heard(all_of(tmp_path / name))

    assert len(pcm) == pytest.approx(16_000, rel=0.1)  # MP3 adds silence before and after
    assert np.abs(np.fft.rfft(pcm[2000:10_000])).argmax() * 2 == 440
    assert pcm[2000:10_000].std() == pytest.approx(0.3 / 2**0.5 * 32768, rel=0.05)


@pytest.mark.parametrize("rate_hz", [1, 900, 2_000_000_000])
def test_a_rate_that_no_sound_has_is_refused_in_any_kind_of_file(tmp_path: Path, rate_hz: int) -> None:
    soundfile.write(tmp_path / "a.au", np.zeros(16_000), rate_hz)

    with pytest.raises(RecordingError, match=f"a.au: 1 channels at {rate_hz} Hz; convert it"):
        open_recording(tmp_path / "a.au")


@pytest.mark.parametrize("name", ["a.flac", "a.ogg", "a.mp3"])
@pytest.mark.parametrize("content", [b"", b"not sound", b"fLaC\0\0\0\x22"])
def test_what_is_no_compressed_sound_is_refused_and_no_library_adds_its_own(
    tmp_path: Path, name: str, content: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_bytes(content)

    with pytest.raises(RecordingError, match="it is damaged, or not sound; convert it"):
        open_recording(tmp_path / name)

    assert capfd.readouterr().err == ""


def test_what_is_cut_off_is_played_to_where_it_ends_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    noise = np.random.default_rng(0).normal(0, 3000, 96_000).astype(np.int16)
    soundfile.write(tmp_path / "a.flac", noise, 16_000)
    for path in (a_wav(tmp_path / "a.wav", noise), tmp_path / "a.flac", a_film(tmp_path / "a.avi")):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

        samples = all_of(path)

        assert samples
        assert [message.split()[0] for message in caplog.messages] == [
            "video.cut_off" if path.suffix == ".avi" else "sound.cut_off"
        ]
        assert str(path) in caplog.text
        caplog.clear()


def test_a_damaged_picture_is_refused_and_no_library_adds_its_own(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    for name in ("a.png", "a.jpg"):
        path = tmp_path / name
        cv2.imwrite(str(path), noise)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

        with pytest.raises(RecordingError, match="it is damaged, or not a picture"):
            open_recording(path)

    assert capfd.readouterr().err == ""


def test_a_gif_is_a_photo_or_a_video_by_whether_it_moves(tmp_path: Path) -> None:
    shades = [np.full((48, 64, 3), shade, np.uint8) for shade in (0, 80, 160)]
    moving = cv2.Animation()
    moving.frames, moving.durations = shades, [100, 100, 100]
    cv2.imwriteanimation(str(tmp_path / "moves.gif"), moving)
    cv2.imwrite(str(tmp_path / "still.gif"), shades[1])

    photo, film = open_recording(tmp_path / "still.gif"), open_recording(tmp_path / "moves.gif")

    assert photo.duration_s == 0
    assert [round(s.at_ns / 1e9, 2) for s in film.samples()] == [0, 0.1, 0.2]


def test_telephones_companded_sound_is_read(tmp_path: Path) -> None:
    # The loudest and softest codes of ITU-T G.711, and one between, of both signs.
    mu, a = bytes([0x80, 0x00, 0xFF, 0x7F, 0xB7]), bytes([0xAA, 0x2A, 0xD5, 0x55, 0xE5])
    for name, coding, data in (("mu.wav", 7, mu), ("a.wav", 6, a)):
        head = struct.pack("<4sI4s4sIHHIIHH", b"RIFF", 36, b"WAVE", b"fmt ", 16, coding, 1, 8000, 8000, 1, 8)
        (tmp_path / name).write_bytes(head + struct.pack("<4sI", b"data", len(data)) + data)

    (mu_law,), (a_law,) = (read_header(tmp_path / name).blocks(8) for name in ("mu.wav", "a.wav"))

    assert mu_law.tolist() == [32124, -32124, 0, 0, 3004]
    assert a_law.tolist() == [32256, -32256, 8, -8, 1056]


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="No such file"):
        open_recording(tmp_path / "v.mp4")


# --- recording.toml ----------------------------------------------------------------------


def a_story(folder: Path, text: str) -> Recording:
    (folder / "recording.toml").write_text(text)
    return open_recording(folder)


def test_pictures_of_one_camera_have_one_rate_and_black_between(tmp_path: Path) -> None:
    a_photo(tmp_path / "red.png", RED)
    a_film(tmp_path / "v.avi", frames=10, fps=10)
    recording = a_story(
        tmp_path,
        """
        for_s = 4
        camera = { fps = 10, width = 80, height = 60 }
        [[track]]
        kind = "image"
        file = "red.png"
        at_s = 1.0
        for_s = 1.0
        [[track]]
        kind = "video"
        file = "v.avi"
        at_s = 2.5
        from_s = 0.5
        """,
    )

    samples = list(recording.samples())

    assert [s.at_ns for s in samples] == [n * 100_000_000 for n in range(40)]
    assert {s.data.pixels.shape for s in samples if isinstance(s.data, Frame)} == {(60, 80, 3)}
    seen = [colour(s) for s in samples]
    assert seen[9] == (0, 0, 0)
    assert seen[10] == seen[19] == RED
    assert seen[20] == (0, 0, 0)
    assert abs(seen[25][0] - 40) < 6
    assert abs(seen[29][0] - 72) < 6
    assert seen[31] == (0, 0, 0)
    assert recording.captured_bytes == 40 * 60 * 80 * 3


def test_a_camera_may_give_nothing_between(tmp_path: Path) -> None:
    a_photo(tmp_path / "red.png")
    recording = a_story(
        tmp_path,
        'for_s = 3\ncamera = {fps = 10, between = "nothing"}\n'
        '[[track]]\nkind = "image"\nfile = "red.png"\nat_s = 1\nfor_s = 1\n',
    )

    assert [s.at_ns // 100_000_000 for s in recording.samples()] == list(range(10, 20))


def test_a_photo_moves_as_it_is_told(tmp_path: Path) -> None:
    pixels = np.zeros((100, 100, 3), np.uint8)
    pixels[:, 50:] = RED[::-1]
    cv2.imwrite(str(tmp_path / "half.png"), pixels)
    recording = a_story(
        tmp_path,
        "camera = {fps = 10, width = 100, height = 100}\n"
        '[[track]]\nkind = "image"\nfile = "half.png"\nfor_s = 1\nzoom = [2.0, 2.0]\npan = [0.25, 0.5, 0.75, 0.5]\n',
    )

    seen = [colour(s) for s in recording.samples()]

    assert seen[0] == (0, 0, 0)
    assert seen[9] == RED


def test_sounds_are_mixed_at_their_places(tmp_path: Path) -> None:
    a_wav(tmp_path / "a.wav", np.full(16_000, 1000))
    a_wav(tmp_path / "b.wav", np.full(8_000, 100), rate_hz=8_000)
    recording = a_story(
        tmp_path,
        'for_s = 3\n[[track]]\nkind = "sound"\nfile = "a.wav"\nat_s = 0.5\n'
        '[[track]]\nkind = "sound"\nfile = "b.wav"\nat_s = 1.0\nfrom_s = 0.25\nfor_s = 0.5\ngain = 2.0\n',
    )

    pcm = heard(list(recording.samples()))

    assert len(pcm) == 48_000
    assert (pcm[:8000] == 0).all()
    assert (pcm[8000:16_000] == 1000).all()
    assert np.abs(pcm[16_100:23_900] - 1200.0).max() <= 4
    assert (pcm[24_000:] == 0).all()


def test_every_sense_comes_in_order_of_time(tmp_path: Path) -> None:
    a_photo(tmp_path / "p.png")
    a_wav(tmp_path / "s.wav", np.zeros(16_000))
    (tmp_path / "t.txt").write_text("0.3\thello\n5.0\tafter the end\n")
    (tmp_path / "h.csv").write_text("\n".join(map(str, range(200))))
    recording = a_story(
        tmp_path,
        'for_s = 1.0\n[[track]]\nkind = "image"\nfile = "p.png"\nfor_s = 1\n[[track]]\nkind = "sound"\nfile = "s.wav"\n'
        '[[track]]\nkind = "text"\nfile = "t.txt"\n'
        '[[track]]\nkind = "pulse"\nfile = "h.csv"\nrate_hz = 100\nfrom_s = 0.5\nfor_s = 1\n'
        '[[expect]]\nat_s = 0.3\nmodality = "text"\nlabel = "hello"\n',
    )

    samples = list(recording.samples())

    assert recording.modalities == (Modality.VIDEO, Modality.AUDIO, Modality.TEXT, Modality.BIOMETRIC)
    assert [s.at_ns for s in samples] == sorted(s.at_ns for s in samples)
    assert [s.data for s in samples if s.modality is Modality.TEXT] == [Text("hello")]
    first = next(s.data for s in samples if isinstance(s.data, Pulse))
    assert first.values[0] == 50
    assert recording.expect[0].label == "hello"
    again = list(recording.samples())
    assert [(s.modality, s.at_ns, s.sequence) for s in again] == [(s.modality, s.at_ns, s.sequence) for s in samples]


def test_a_slip_of_the_pen_is_found_with_the_right_word(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="zoom"):
        a_story(tmp_path, '[[track]]\nkind = "image"\nfile = "p.png"\nzoon = [1, 2]\n')


def test_a_track_without_its_file_says_which(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"track\[0\].*p\.png.*No such file"):
        a_story(tmp_path, '[[track]]\nkind = "image"\nfile = "p.png"\n')


def test_a_story_without_tracks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="no \\[\\[track\\]\\]"):
        a_story(tmp_path, 'title = "empty"\n')


def test_a_sample_nobody_has_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SensoriumError, match="no sample"):
        a_story(tmp_path, '[[track]]\nkind = "image"\nfile = "media:opencv-doc/no-such.jpg"\n')


# --- in its own time ---------------------------------------------------------------------


async def test_a_played_sensor_is_dated_by_the_clock_and_waits_for_each_sample() -> None:
    clock = ManualClock(1_000_000_000)
    asked: list[float] = []

    async def sleep(seconds: float) -> None:
        asked.append(seconds)
        clock.at_ns += round(seconds * 1e9)

    sensor = PlayedSensor(TextTrack(((0.5, "a"), (2.0, "b"))), 1_000_000_000, sleep=sleep)

    samples = [s async for s in sensor.samples(clock)]

    assert [s.at_ns for s in samples] == [1_500_000_000, 3_000_000_000]
    assert asked == pytest.approx([0.5, 1.5])


async def test_a_played_camera_drops_pictures_that_are_too_late(tmp_path: Path) -> None:
    clock = ManualClock(0)
    (track,) = open_recording(a_film(tmp_path / "v.avi", frames=20, fps=10)).tracks

    async def oversleep(seconds: float) -> None:
        clock.at_ns += round((seconds + 0.6) * 1e9)

    samples = [s async for s in PlayedSensor(track, 0, sleep=oversleep).samples(clock)]

    numbers = [s.sequence for s in samples]
    assert len(numbers) < 20
    assert any(later - earlier > 1 for earlier, later in itertools.pairwise(numbers))


def test_a_recording_gives_one_sensor_for_each_sense(tmp_path: Path) -> None:
    sensors = open_recording(a_photo(tmp_path / "p.png")).sensors(0)

    assert [(s.name, s.modality) for s in sensors] == [("camera", Modality.VIDEO)]


# --- ahead -------------------------------------------------------------------------------


def test_what_goes_wrong_ahead_is_raised_in_its_place() -> None:
    def produce() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    ahead = Ahead(produce, 4)

    assert next(ahead) == 1
    with pytest.raises(ValueError, match="broken"):
        next(ahead)
    with pytest.raises(StopIteration):
        next(ahead)


def test_no_more_is_made_than_is_asked_for() -> None:
    made: list[int] = []

    def produce() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    ahead = Ahead(produce, 2)
    assert [next(ahead), next(ahead)] == [0, 1]
    ahead.close()

    assert len(made) <= 6
    assert next(ahead, None) is None


def test_every_sample_says_how_exact_its_time_is(tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_text("0.5 hello\n")
    (tmp_path / "pulse.csv").write_text("".join(f"{n / 50},{n % 7}\n" for n in range(200)))
    files = [
        a_film(tmp_path / "film.avi"),
        a_wav(tmp_path / "sound.wav", np.zeros(1600, np.int16)),
        tmp_path / "lines.txt",
        tmp_path / "pulse.csv",
    ]

    assert [all_of(file)[0].at_error_ns for file in files] == [50_000_000, 31_250, 500_000, 10_000_000]
