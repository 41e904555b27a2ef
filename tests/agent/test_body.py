"""Files of heart and skin."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sensorium.event import Conductance, Intervals, Pulse
from sensorium_agent.capture.body import BeatSeries, Series, Signal, read_body, read_pulse
from sensorium_agent.capture.files import BadFile
from sensorium_agent.capture.recording import open_recording


def test_the_names_of_the_columns_say_what_they_are() -> None:
    text = "t_s,ppg,eda_us\n" + "".join(f"{k / 10},{k},{2 + k / 100}\n" for k in range(20))

    pulse, skin = read_body(text)

    assert isinstance(pulse, Series)
    assert isinstance(skin, Series)
    assert (pulse.signal, skin.signal) == (Signal.PULSE, Signal.SKIN)
    assert (pulse.rate_hz, skin.rate_hz) == pytest.approx((10, 10))
    assert skin.values[:3] == pytest.approx([2, 2.01, 2.02])


@pytest.mark.parametrize("text", ["rr_ms\n800\n820\n790\n", "ibi_s\n0.8\n0.82\n0.79\n"])
def test_intervals_are_in_milliseconds_or_seconds(text: str) -> None:
    (beats,) = read_body(text)

    assert isinstance(beats, BeatSeries)
    assert beats.ms == pytest.approx([800, 820, 790], abs=0.1)
    assert beats.ends_s == pytest.approx([0.8, 1.62, 2.41])


def test_intervals_with_times_may_have_gaps() -> None:
    (beats,) = read_body("t_s,rr_ms\n10.0,800\n10.8,800\n20.0,900\n")

    assert isinstance(beats, BeatSeries)
    assert beats.ends_s == pytest.approx([0.8, 1.6, 10.8])


def test_a_column_of_skin_needs_a_rate_as_any_other() -> None:
    (skin,) = read_body("# rate_hz=4\neda\n2.0\n2.1\n")
    assert isinstance(skin, Series)
    assert (skin.rate_hz, skin.signal) == (4.0, Signal.SKIN)

    with pytest.raises(BadFile, match="needs its rate"):
        read_body("eda\n2.0\n2.1\n")


def test_slow_skin_with_times_in_seconds_stays_slow() -> None:
    (skin,) = read_body("t_s,eda_us\n0,2\n1,2.1\n2,2.2\n")

    assert isinstance(skin, Series)
    assert skin.rate_hz == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1,2,3\n4,5,6\n", "need names"),
        ("rr_ms\n800\n-5\n", "not above 0"),
        ("t_s,rr_ms\n2,800\n1,800\n", "time goes back"),
        ("t_s,ppg,eda\n0,1,2\n1,2\n", "more columns"),
        ("t_s,acc_x,acc_y\n0,1,2\n1,2,3\n", "none of the columns t_s, acc_x, acc_y is known"),
        ("t_s,ppg\n0,1\noops,2\n", "line 3"),
        ("t_s,ppg\n0,1\n", "one line of values"),
        ("t_s,ppg\n", "no values"),
        ("t_s,ppg\n0,1e300\n1,2\n", "line 2"),
        ("t_s,ppg\n0,1\n1e-9,2\n2e-9,3\n1,4\n", "no body is measured 1e\\+09 times a second"),
        ("t_s,ppg\n0,1\n0.02,2\n0.04,3\n1000000,4\n", "after value 3 nothing comes for 1e\\+06 s"),
        ("# rate_hz=1e12\n1\n2\n", "no body is measured 1e\\+12 times a second"),
        ("rr_ms\n800000\n810000\n", "no heart waits 805 s between beats"),
    ],
)
def test_a_damaged_file_is_refused_with_its_reason(text: str, reason: str) -> None:
    with pytest.raises(BadFile, match=reason):
        read_body(text)


@pytest.mark.parametrize(
    "text",
    [
        "t_s;ppg\n0,00;0,5\n0,02;0,25\n0,04;1,0\n",
        "t_s\tppg\n0,00\t0,5\n0,02\t0,25\n0,04\t1,0\n",
        "t_s ppg\n0.00 0.5\n0.02  0.25\n0.04 1.0\n",
        "0.00 0.5\n0.02 0.25\n0.04 1.0\n",
        '"t_s","ppg"\n"0.00","0.5"\n"0.02","0.25"\n"0.04","1.0"\n',
        '"t_s","ppg"\n"0,00","0,5"\n"0,02","0,25"\n"0,04","1,0"\n',
        '"t_s";"ppg"\n"0,00";0,5\n"0,02";0,25\n"0,04";1,0\n',
        "timestamp,ppg\n0,0.5\n20000,0.25\n40000,1.0\n",
        "timestamp,ppg\n1764000000000000000,0.5\n1764000000020000000,0.25\n1764000000040000000,1.0\n",
    ],
    ids=[
        *("semicolons and decimal commas", "tabs", "blanks", "blanks without names"),
        *("quotes", "quotes and decimal commas", "semicolons and quotes", "microseconds", "nanoseconds"),
    ],
)
def test_columns_and_times_are_known_however_they_were_exported(text: str) -> None:
    (pulse,) = read_body(text)

    assert isinstance(pulse, Series)
    assert pulse.rate_hz == pytest.approx(50)
    assert pulse.values == pytest.approx([0.5, 0.25, 1.0])


@pytest.mark.parametrize("coding", ["utf-8-sig", "utf-16", "cp1252"])
def test_a_table_may_be_in_any_coding_that_a_spreadsheet_writes(tmp_path: Path, coding: str) -> None:
    path = tmp_path / "Herz größer.csv"
    path.write_text("t_s;ppg;Größe\r\n" + "".join(f"0,{k:02};{k};1\r\n" for k in range(0, 98, 2)), encoding=coding)

    samples = list(open_recording(path).samples())

    assert [value for s in samples if isinstance(s.data, Pulse) for value in s.data.values] == list(range(0, 98, 2))


def test_what_is_unknown_beside_a_pulse_is_passed_over_and_said(caplog: pytest.LogCaptureFixture) -> None:
    (pulse,) = read_body("t_s,ppg,temperature,activity\n0.00,1,33,rest\n0.02,2,33,rest\n0.04,3,33,rest\n")

    assert isinstance(pulse, Series)
    assert pulse.values.tolist() == [1, 2, 3]
    assert caplog.messages == ["body.passed_over columns=temperature,activity"]


@pytest.mark.parametrize("name", ["EDA (uS)", "gsr [microsiemens]", "Skin conductance"])
def test_a_unit_in_brackets_is_no_part_of_a_columns_name(name: str) -> None:
    (skin,) = read_body(f"Time (s),{name}\n0.00,4.2\n0.02,4.3\n")

    assert isinstance(skin, Series)
    assert skin.signal is Signal.SKIN


@pytest.mark.parametrize("name", ["RR (ms)", "rr interval [ms]", '"RR (ms)"'])
def test_the_name_of_an_only_column_may_have_several_words(name: str) -> None:
    (beats,) = read_body(f"{name}\n800\n820\n")

    assert isinstance(beats, BeatSeries)


@pytest.mark.parametrize("unit", ["kOhm", "k\N{OHM SIGN}", "ohms"])
def test_a_resistance_is_no_conductance(unit: str) -> None:
    with pytest.raises(BadFile, match="skin is in ohms, write its conductance in microsiemens"):
        read_body(f"t_s,EDA ({unit})\n0.00,200\n0.25,201\n")


def test_a_sensor_that_was_not_worn_takes_nothing_from_the_others(caplog: pytest.LogCaptureFixture) -> None:
    (pulse,) = read_body("t_s,ppg,eda_us\n0.00,1,\n0.02,2,\n")

    assert isinstance(pulse, Series)
    assert (pulse.signal, pulse.values.tolist()) == (Signal.PULSE, [1, 2])
    assert caplog.messages == ["body.nothing_in columns=skin"]


@pytest.mark.parametrize("name", ["ppg", "something", "IR"])
def test_the_only_column_beside_the_time_is_a_pulse_whatever_it_is_called(name: str) -> None:
    (pulse,) = read_body(f"t_s,{name}\n0.00,1\n0.02,2\n")

    assert isinstance(pulse, Series)
    assert pulse.signal is Signal.PULSE


@pytest.mark.parametrize(
    ("said", "rate_hz"),
    [("rate_hz=62.5", 62.5), ("rate: 62,5 Hz", 62.5), ("Rate = 1e2", 100), ("rate_hz=.5", 0.5), ("rate=1.2.3", 1.2)],
)
def test_a_rate_is_read_however_it_is_written(said: str, rate_hz: float) -> None:
    assert read_pulse(f"# {said}\n1\n2\n").rate_hz == rate_hz


def test_there_has_to_be_a_pulse_where_one_is_asked_for() -> None:
    with pytest.raises(BadFile, match="no pulse"):
        read_pulse("rr_ms\n800\n800\n")


def test_one_file_plays_heart_and_skin_in_order_of_time(tmp_path: Path) -> None:
    path = tmp_path / "person.csv"
    path.write_text("t_s,bvp,eda_us\n" + "".join(f"{k / 50},{k % 7},{3.0}\n" for k in range(100)))

    samples = list(open_recording(path).samples())

    assert {type(s.data) for s in samples} == {Pulse, Conductance}
    assert [s.at_ns for s in samples] == sorted(s.at_ns for s in samples)
    assert [s.sequence for s in samples] == list(range(len(samples)))


def test_a_recording_places_intervals_on_its_time_line(tmp_path: Path) -> None:
    (tmp_path / "rr.csv").write_text("800\n" * 20)
    (tmp_path / "recording.toml").write_text(
        '[[track]]\nkind = "pulse"\nsignal = "rr"\nfile = "rr.csv"\nat_s = 10.0\nfrom_s = 4.0\nfor_s = 3.0\n'
    )

    samples = list(open_recording(tmp_path).samples())

    assert all(isinstance(s.data, Intervals) for s in samples)
    assert np.array([s.at_ns for s in samples]) / 1e9 == pytest.approx([10.8, 11.6, 12.4])


def test_what_is_missing_is_held_and_not_made_up() -> None:
    (alone,) = read_body("# rate_hz=4\nppg\n1\nnan\nnan\n4\n")
    (timed,) = read_body("t_s,ppg\n0.0,1\n0.1,2\n0.2,\n0.3,4\n2.3,24\n2.4,25\n")

    assert isinstance(alone, Series)
    assert isinstance(timed, Series)
    assert alone.values.tolist() == [1, 1, 1, 4]
    assert timed.values[:4].tolist() == pytest.approx([1, 2, 2, 4])
    assert set(timed.values[4:22].tolist()) == {4.0}
    assert timed.values[-1] == pytest.approx(25)


def test_a_file_without_any_value_is_refused() -> None:
    with pytest.raises(BadFile, match="no values"):
        read_body("t_s,ppg\n0.0,nan\n0.1,nan\n")
