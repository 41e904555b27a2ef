"""A session recorded while it happens is the same again at any speed; with faults it goes wrong as was asked."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from agent.doubles import Ear

import sensorium.concepts
from sensorium.clock import Clock, DeviceClock
from sensorium.event import Event, EventStream, Modality, Sample, Text, Touch, TouchPhase
from sensorium.settings import decode
from sensorium.wire import canonical_bytes
from sensorium_agent.__main__ import main
from sensorium_agent._app import compose, daemon
from sensorium_agent._app.listeners import Everyone
from sensorium_agent._app.settings import Settings, Windows, deciding
from sensorium_agent.infer.lanes import Lane
from sensorium_agent.record.reader import SessionLog
from sensorium_agent.record.recorder import Recorder

SESSION = "a-session"
MS = 1_000_000
SETTINGS = Settings(windows=Windows(span_ms=40, cap_ms=20, lateness_ms=400))
RECORDINGS = Path(__file__).parents[1] / "recordings"


class Jittery:
    """A sensor whose samples come up to 150 ms after their time, the later ones sometimes first."""

    def __init__(self, modality: Modality, seed: int) -> None:
        self.name, self.modality = f"{modality}-sensor", modality
        self._dice = random.Random(seed)

    async def samples(self, clock: Clock) -> AsyncGenerator[Sample, None]:
        for number in range(120):
            await asyncio.sleep(self._dice.uniform(0, 0.012))
            at_ns = clock.now_ns() - self._dice.randrange(150 if self._dice.random() < 0.2 else 10) * MS
            line, touch = Text(str(number)), Touch(0, TouchPhase.MOVE, 0.1, 0.2)
            data = line if self.modality is Modality.TEXT else touch
            yield Sample(self.modality, self.name, number, at_ns, data)


class Parrot:
    """A perceiver that says an event for each sample."""

    def __init__(self, modality: Modality) -> None:
        self._stream = EventStream(SESSION, modality)

    def perceive(self, sample: Sample) -> Sequence[Event]:
        said = sample.data.line if isinstance(sample.data, Text) else None
        return (self._stream.event(sample.at_ns, text=said, label="stop", score=0.9),)

    def finish(self, now_ns: int) -> Sequence[Event]:
        return ()


async def live(path: Path) -> Ear:
    """A second of the live daemon, recorded."""
    clock, ear, recorder = DeviceClock(), Ear(), Recorder(path)
    senses = (Modality.TEXT, Modality.HAPTIC)
    listener = Everyone([ear, recorder])
    aligner = compose.aligner(SESSION, senses, SETTINGS.windows)
    start_ns = clock.now_ns()
    aligner.start(start_ns)
    recorder.begin(compose.session(SETTINGS, senses, SESSION, start_ns=start_ns, clock=clock), clock)
    await daemon.run(
        [Jittery(sense, seed) for seed, sense in enumerate(senses)],
        [Lane(sense, sense, Parrot(sense)) for sense in senses],
        aligner,
        compose.answerer(SETTINGS, senses, clock=clock, listener=listener),
        clock=clock,
        listener=listener,
        stop=asyncio.Event(),
        on_turn=recorder.on_turn,
    )
    recorder.end()
    return ear


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ear]:
    path = tmp_path_factory.mktemp("session") / "live.mcap"
    return path, asyncio.run(live(path))


def lines(capsysbinary: pytest.CaptureFixture[bytes], *arguments: object) -> list[dict[str, Any]]:
    assert main(["replay", "--jsonl", *map(str, arguments)]) == 0
    return [json.loads(line) for line in capsysbinary.readouterr().out.splitlines()]


def of_kind(found: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [line for line in found if line["type"] == kind]


def without_times_of_today(line: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in line.items() if key not in ("after_close_ms", "latency_ms")}


# --- the same again ----------------------------------------------------------------------


def test_the_recording_holds_exactly_the_windows_the_live_agent_gave(session: tuple[Path, Ear]) -> None:
    path, ear = session

    assert [canonical_bytes(w) for w in SessionLog(path).windows()] == [canonical_bytes(w) for w in ear.windows]
    assert len(ear.windows) > 15
    assert any(w.revision for w in ear.windows), "without late events this shows little"


def test_a_replay_gives_the_recorded_windows_byte_by_byte_at_any_speed(
    session: tuple[Path, Ear], capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    path, ear = session
    runs = [lines(capsysbinary, path), lines(capsysbinary, path), lines(capsysbinary, path, "--speed", "4")]
    summaries = [of_kind(run, "summary")[0] for run in runs]

    assert (
        {s["windows_as_recorded"] for s in summaries} == {s["windows_given"] for s in summaries} == {len(ear.windows)}
    )
    assert len({s["windows_hash"] for s in summaries}) == 1
    assert summaries[0]["symbols_as_recorded"] == len(ear.symbols)
    told = [[without_times_of_today(line) for line in run if line["type"] != "summary"] for run in runs]
    assert told[0] == told[1] == told[2]
    assert summaries[0]["took_s"] < summaries[0]["lasted_s"]


def test_other_settings_show_what_they_would_have_done(
    session: tuple[Path, Ear], tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    (config := tmp_path / "agent.toml").write_text("windows = {span_ms = 80, cap_ms = 400}\n")
    summary = of_kind(lines(capsysbinary, session[0], "--config", config), "summary")[0]

    assert summary["windows_as_recorded"] == 0
    assert 0 < summary["windows"] < summary["windows_recorded"] / 2
    assert summary["events"] == {"text": 120, "haptic": 120}


def test_a_session_with_settings_of_a_version_to_come_asks_for_ones_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (config := tmp_path / "agent.toml").write_text("")
    recorder = Recorder(path := tmp_path / "a.mcap")
    clock = DeviceClock()
    now = compose.session(SETTINGS, [Modality.TEXT], SESSION, start_ns=clock.now_ns(), clock=clock)
    recorder.begin(replace(now, settings='{"windows": {"shape": "round"}}'), clock)
    recorder.end()

    code, err = said(capsys, "replay", path)
    assert (code, err.count("\n")) == (1, 1)
    assert "--config" in err
    assert said(capsys, "replay", path, "--config", config)[0] == 0


def test_a_step_of_the_wall_clock_is_found_and_changes_no_window(
    session: tuple[Path, Ear], capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    plain = of_kind(lines(capsysbinary, session[0]), "summary")[0]
    stepped = of_kind(lines(capsysbinary, session[0], "--inject", "clock-step=-3600s@300ms"), "summary")[0]

    assert plain["clock"]["steps"] == 0
    assert stepped["clock"]["steps"] == 1
    assert stepped["clock"]["moved_ns"] == pytest.approx(-3600e9, abs=1e7)
    assert stepped["windows_hash"] == plain["windows_hash"]


def test_what_is_dropped_is_counted_and_the_same_seed_drops_the_same(
    session: tuple[Path, Ear], capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    def dropped(seed: int) -> dict[str, Any]:
        found = lines(capsysbinary, session[0], "--inject", "drop=haptic:30%", "--seed", seed)
        return of_kind(found, "summary")[0]

    first, again, other = dropped(1), dropped(1), dropped(2)
    toll = first["injected"]["drop=haptic:30%"]
    assert first["windows_hash"] == again["windows_hash"] != other["windows_hash"]
    assert 0 < toll["events"] == 120 - first["events"]["haptic"]
    assert first["events"]["text"] == 120


def test_samples_go_through_the_perceivers_again(tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    path = tmp_path / "a.mcap"
    files = [RECORDINGS / "touches.jsonl", RECORDINGS / "lines.txt"]
    assert main(["record", str(path), "--play", *map(str, files)]) == 0
    from_events, from_samples = lines(capsysbinary, path), lines(capsysbinary, path, "--from", "samples")

    assert of_kind(from_events, "event") == of_kind(from_samples, "event") != []
    a, b = of_kind(from_events, "summary")[0], of_kind(from_samples, "summary")[0]
    assert a["windows_hash"] == b["windows_hash"]
    assert a["windows_as_recorded"] == b["windows_as_recorded"] == a["windows_given"] > 10


@pytest.mark.needs_models
def test_sound_that_was_kept_is_understood_as_it_was_live(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    path = tmp_path / "a.mcap"
    assert main(["record", str(path), "--media", "--play", str(RECORDINGS / "okay_nabu.wav")]) == 0
    summary = of_kind(lines(capsysbinary, path, "--from", "samples"), "summary")[0]

    assert summary["labels"]["okay_nabu"] > 0
    assert summary["windows_as_recorded"] == summary["windows_recorded"] == summary["windows_given"]


def test_faults_may_hit_samples_too(tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    path = tmp_path / "a.mcap"
    assert main(["record", str(path), "--play", str(RECORDINGS / "lines.txt")]) == 0
    summary = of_kind(lines(capsysbinary, path, "--from", "samples", "--inject", "drop=text:100%"), "summary")[0]

    assert summary["events"] == {}
    assert summary["injected"]["drop=text:100%"]["messages"] == 4


def test_a_recording_plays_like_any_other_file(tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    path = tmp_path / "a.mcap"
    assert main(["record", str(path), "--play", str(RECORDINGS / "lines.txt")]) == 0
    capsysbinary.readouterr()
    assert main(["run", "--play", str(path), "--jsonl"]) == 0
    found = [json.loads(line) for line in capsysbinary.readouterr().out.splitlines()]

    assert [line["text"] for line in found if line["type"] == "event"][:2] == [
        "turn on the kitchen light",
        "next page please",
    ]


# --- what a recording tells of its owner --------------------------------------------------


def test_settings_that_decide_are_recorded_and_addresses_and_secrets_are_not() -> None:
    text = """
    camera = {source = "rtsp://me:SECRET@PLACE/", gestures = false}
    microphone = {source = "PLACE"}
    text = {source = "/PLACE"}
    touch = {source = "/PLACE"}
    pulse = {source = "/PLACE"}
    rules = {file = "/PLACE", token = "SECRET"}
    cloud = {target = "PLACE:1", key = "/PLACE"}
    spool = {directory = "/PLACE"}
    mqtt = {host = "PLACE", password = "SECRET"}
    windows = {cap_ms = 77}
    fusion = {concepts = "/PLACE", temperature = 1.5}
    """
    kept = deciding(decode(text, Settings, where="a test"))
    told = msgspec.json.encode(kept).decode()

    assert "SECRET" not in told
    assert "PLACE" not in told
    assert (kept.windows.cap_ms, kept.fusion.temperature) == (77, 1.5)
    assert kept.camera is not None
    assert not kept.camera.gestures


def test_a_session_answered_by_concepts_of_ones_own_is_replayed_by_them(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    concepts, config, path = (tmp_path / name for name in ("own.toml", "agent.toml", "a.mcap"))
    builtin = Path(sensorium.concepts.__file__).with_name("concepts.toml").read_text()
    concepts.write_text(builtin.replace("light_on", "lamp_on"))
    config.write_text(f'fusion = {{concepts = "{concepts}"}}\n')
    arguments = ["record", str(path), "--config", str(config), "--play", str(RECORDINGS / "lines.txt")]
    assert main(arguments) == 0
    concepts.unlink()

    found = lines(capsysbinary, path)
    assert "lamp_on" in {line["label"] for line in of_kind(found, "symbol")}
    summary = of_kind(found, "summary")[0]
    assert summary["symbols_as_recorded"] == summary["symbols_recorded"]


# --- a kill ------------------------------------------------------------------------------


def test_a_killed_recorder_loses_at_most_the_last_second(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    (words := tmp_path / "words.txt").write_text("".join(f"{n / 10}\tword {n}\n" for n in range(100)))
    path = tmp_path / "killed.mcap"
    command = [sys.executable, "-m", "sensorium_agent", "record", path, "--live", "--play", words, "--jsonl"]
    heard: list[int] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        while len(heard) < 22:
            line = json.loads(process.stdout.readline())
            if line["type"] == "event":
                heard.append(line["at_ns"])
        process.send_signal(signal.SIGKILL)

    assert process.returncode == -signal.SIGKILL
    kept = [event.at_ns for turn in SessionLog(path).turns() for h in turn.heard for event in h.events]
    assert kept == heard[: len(kept)]
    assert heard[-1] - kept[-1] <= 1000 * MS
    summary = of_kind(lines(capsysbinary, path), "summary")[0]
    assert summary["cut_off"]
    assert summary["windows_as_recorded"] == summary["windows_recorded"] > 0


@pytest.mark.parametrize("ends", [signal.SIGTERM, signal.SIGHUP])
def test_a_recorder_told_to_stop_ends_its_file(tmp_path: Path, ends: signal.Signals) -> None:
    (words := tmp_path / "words.txt").write_text("".join(f"{n / 10}\tword {n}\n" for n in range(20_000)))
    path = tmp_path / "stopped.mcap"
    command = [sys.executable, "-m", "sensorium_agent", "record", path, "--play", words, "--jsonl"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        for _ in range(200):
            process.stdout.readline()
        process.send_signal(ends)
        process.stdout.read()

    assert process.returncode == 128 + ends
    log = SessionLog(path)
    assert 0 < sum(1 for _ in log.turns()) < 20_000
    assert log.contents().whole


def test_an_agent_stops_in_order_when_its_terminal_is_closed_but_not_under_nohup(tmp_path: Path) -> None:
    (words := tmp_path / "words.txt").write_text("0\tgo on\n3\tstop\n30\tend\n")
    command = [sys.executable, "-m", "sensorium_agent", "run", "--play", words, "--live", "--jsonl", "--status"]
    for starter, heard in (([], ["go on"]), (["nohup"], ["go on", "stop"])):
        with subprocess.Popen([*starter, *command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            assert process.stdout is not None
            said = []
            for line in map(json.loads, process.stdout):
                said.append(line)
                if line["type"] == "event":
                    process.send_signal(signal.SIGTERM if line["text"] == "stop" else signal.SIGHUP)

        assert process.returncode == 0
        assert [line["text"] for line in said if line["type"] == "event"] == heard
        assert said[-1]["type"] == "summary"


# --- what a person does wrong ------------------------------------------------------------


def said(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    code = main(list(map(str, arguments)))
    return code, capsys.readouterr().err


def test_a_misspelt_fault_is_one_line_and_exit_code_2(
    session: tuple[Path, Ear], capsys: pytest.CaptureFixture[str]
) -> None:
    code, err = said(capsys, "replay", session[0], "--inject", "delai=text:3s")

    assert (code, err.count("\n")) == (2, 1)
    assert "did you mean 'delay'?" in err


def test_a_bad_recording_is_one_line_and_the_others_are_replayed(
    session: tuple[Path, Ear], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (bad := tmp_path / "bad.mcap").write_bytes(b"\x89MCAP0\r\n" + bytes(40))
    code = main(["replay", str(bad), str(tmp_path / "none.mcap"), str(session[0])])
    out, err = capsys.readouterr()

    assert code == 1
    assert err.count("\n") == 2
    assert "as recorded" in out
    assert "\n  hash " in out


def test_samples_that_were_not_kept_are_said_with_the_way_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recorder = Recorder(tmp_path / "a.mcap")
    clock = DeviceClock()
    recorder.begin(compose.session(SETTINGS, [Modality.TEXT], SESSION, start_ns=0, clock=clock), clock)
    recorder.end()
    code, err = said(capsys, "replay", "--from", "samples", tmp_path / "a.mcap")

    assert (code, err.count("\n")) == (1, 1)
    assert "--media" in err


def test_a_recording_is_never_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (path := tmp_path / "a.mcap").write_text("precious")
    code, err = said(capsys, "record", path, "--play", RECORDINGS / "lines.txt")

    assert (code, path.read_text()) == (1, "precious")
    assert err.count("\n") == 1


def test_one_file_that_cannot_be_played_loses_no_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.mcap"
    code, err = said(capsys, "record", path, "--play", tmp_path / "none.wav", RECORDINGS / "lines.txt")

    assert code == 1
    assert "none.wav" in err.splitlines()[0]
    assert "lost: nothing" in err.splitlines()[1]
    assert len([e for t in SessionLog(path).turns() for h in t.heard for e in h.events]) == 4


@pytest.mark.parametrize("wrong", ["0", "-1", "nan", "fast"])
def test_a_speed_that_is_none_is_a_wrong_command_line(
    wrong: str, session: tuple[Path, Ear], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(["replay", str(session[0]), f"--speed={wrong}"])
    assert left.value.code == 2
    assert "is no speed" in capsys.readouterr().err
