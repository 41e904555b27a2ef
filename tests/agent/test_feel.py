"""`sensorium feel`: what heart, skin and fingers say in files, and whether a person is more aroused than at rest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from sensorium_agent.__main__ import main
from sensorium_agent.capture.body import BeatSeries, Series, Signal, in_microsiemens
from sensorium_agent.capture.files import BadFile
from sensorium_agent.capture.wristband import read_export, read_folder

Floats = npt.NDArray[np.float64]
BEGUN_S = 1_644_226_938.0


def feel(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, list[dict[str, Any]], str]:
    code = main(["feel", *map(str, arguments)])
    out, error = capsys.readouterr()
    return code, [json.loads(line) for line in out.splitlines()], error


def beats(bpm: float, seconds: float, seed: int) -> Floats:
    """Intervals in ms that breathe and waver."""
    rng, found = np.random.default_rng(seed), [0.0]
    while sum(found) < seconds * 1e3:
        found.append(60_000 / bpm + 20 * np.sin(len(found) / 2) + rng.normal(0, 15))
    return np.array(found[1:])


def skin(level_us: float, responses: int, seconds: int, rate_hz: float, seed: int) -> Floats:
    at = np.arange(round(seconds * rate_hz)) / rate_hz
    curve = np.full(len(at), level_us)
    step_s = seconds / responses
    for begin_s in step_s * (np.arange(responses) + np.random.default_rng(seed).uniform(0.1, 0.5, responses)):
        since = np.maximum(at - begin_s, 0.0)
        curve += 0.6 * (np.exp(-since / 4) - np.exp(-since / 0.8))
    return curve


def pulse(bpm: float, seconds: float, rate_hz: float) -> Floats:
    turn = 2 * np.pi * bpm / 60 * np.arange(round(seconds * rate_hz)) / rate_hz
    return 512 + 100 * np.exp(3 * (np.cos(turn) - 1)) + 30 * np.exp(6 * (np.cos(turn - 2.2) - 1))


def write(path: Path, *lines: object) -> Path:
    path.write_text("\n".join(map(str, lines)) + "\n")
    return path


def hearts(path: Path, bpm: float, seconds: float = 120.0) -> Path:
    return write(path, "rr_ms", *beats(bpm, seconds, 1).round(1))


def test_each_file_is_a_person_with_lines_of_its_own(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    slow, fast = hearts(tmp_path / "slow.csv", 45), hearts(tmp_path / "fast.csv", 120)

    code, lines, _ = feel(capsys, slow, fast)

    assert code == 0
    assert {(line["file"], line["label"]) for line in lines if "heart" in (line["label"] or "")} == {
        (str(slow), "heart_rate_low"),
        (str(fast), "heart_rate_high"),
    }
    assert all({"contact", "motion"} <= set(line["metadata"]) for line in lines)


def test_a_person_is_compared_with_the_same_person_at_rest(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    rest = hearts(tmp_path / "rest.csv", 56)
    task, calm = hearts(tmp_path / "task.csv", 72), hearts(tmp_path / "calm.csv", 56)

    _, (aroused, usual), _ = feel(capsys, "--summary", "--rest", rest, task, calm)

    assert (aroused["label"], usual["label"]) == ("arousal_high", "arousal_low")
    assert aroused["arousal"] > 0.7
    assert usual["arousal"] < 0.45
    assert aroused["bpm"] == pytest.approx(72, abs=1.5)
    assert aroused["judgements"] >= 20


def test_the_times_of_what_follows_a_rest_are_those_of_its_own_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    rest, task = hearts(tmp_path / "rest.csv", 60), hearts(tmp_path / "task.csv", 80, seconds=60)

    _, lines, _ = feel(capsys, "--rest", rest, task)

    assert min(line["at_ns"] for line in lines) > 0
    assert max(line["at_ns"] for line in lines) < 62e9


@pytest.mark.parametrize(("rate_hz", "rest_s"), [(1, 60), (1, 120), (4, 60), (4, 120), (250, 60)])
def test_a_short_rest_of_the_skin_is_enough_at_any_rate(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, rate_hz: int, rest_s: int
) -> None:
    def put(name: str, curve: Floats) -> Path:
        return write(tmp_path / name, "t_s,eda_us", *(f"{n / rate_hz},{v:.5f}" for n, v in enumerate(curve)))

    rest = put("rest.csv", skin(4.0, rest_s // 30, rest_s, rate_hz, 1))
    calm, stirred = put("calm.csv", skin(4.0, 3, 90, rate_hz, 2)), put("stirred.csv", skin(6.0, 14, 90, rate_hz, 2))

    _, (usual, aroused), _ = feel(capsys, "--summary", "--rest", rest, calm, stirred)

    assert usual["arousal"] < 0.45
    assert aroused["arousal"] > max(0.5, usual["arousal"] + 0.12)
    assert min(usual["judgements"], aroused["judgements"]) >= 12


@pytest.mark.parametrize("factor", [1.0, 1e-6, 1e3], ids=["microsiemens", "siemens", "nanosiemens"])
def test_skin_may_be_written_in_other_units(capsys: pytest.CaptureFixture[str], tmp_path: Path, factor: float) -> None:
    rows = skin(4.0, 4, 60, 4, 1) * factor
    file = write(tmp_path / "skin.csv", "# rate_hz=4", "eda", *(f"{value:.9g}" for value in rows))

    _, lines, _ = feel(capsys, file)

    responses = [line for line in lines if line["label"] == "skin_response"]
    assert len(responses) == 4
    assert float(responses[-1]["metadata"]["scl_us"]) == pytest.approx(4.0, abs=0.4)


def test_a_value_without_a_number_changes_no_unit() -> None:
    assert in_microsiemens(np.array([np.nan, 0.0, 3e-6, 3e-6])) == pytest.approx([np.nan, 0.0, 3.0, 3.0], nan_ok=True)


# --- wristbands --------------------------------------------------------------------------


def a_wristband(folder: Path) -> Path:
    write(folder / "BVP.csv", f"{BEGUN_S}", "64.0", *pulse(72, 60, 64).round(2))
    write(folder / "EDA.csv", f"{BEGUN_S + 2}", "4.0", *skin(3.0, 3, 58, 4, 1).round(4))
    write(folder / "IBI.csv", f"{BEGUN_S}, IBI", "10.5,0.83", "11.33,0.83")
    return folder


def test_a_wristbands_folder_is_one_person(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    _, lines, _ = feel(capsys, a_wristband(tmp_path))

    assert {line["label"] for line in lines} >= {"heart_rate_normal", "skin_response"}
    assert float(lines[-1]["metadata"]["bpm"]) == pytest.approx(72, abs=1)


def test_the_sensors_of_a_wristband_begin_when_they_began(tmp_path: Path) -> None:
    pulse_worn, skin_worn = read_folder(a_wristband(tmp_path))

    assert isinstance(pulse_worn.series, Series)
    assert (pulse_worn.series.signal, pulse_worn.series.rate_hz, pulse_worn.after_s) == (Signal.PULSE, 64.0, 0.0)
    assert skin_worn.after_s == pytest.approx(2.0)


def test_intervals_of_a_wristband_keep_their_gaps(tmp_path: Path) -> None:
    begin_s, found = read_export((a_wristband(tmp_path) / "IBI.csv").read_text(), Signal.RR)

    assert isinstance(found, BeatSeries)
    assert begin_s == BEGUN_S
    assert (found.ends_s.tolist(), found.ms.tolist()) == ([10.5, 11.33], [830.0, 830.0])


def test_one_file_of_a_wristband_is_known_by_its_name(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = a_wristband(tmp_path)
    named = (folder / "EDA.csv").rename(folder / "S2_eda.csv")

    assert "skin_response" in {line["label"] for line in feel(capsys, named)[1]}


@pytest.mark.parametrize(
    ("text", "says"), [(f"{BEGUN_S}\n", "line 2"), (f"{BEGUN_S}\n0\n1\n", "rate"), (f"{BEGUN_S}\n4\n1\nx\n", "line 4")]
)
def test_a_damaged_export_says_where(text: str, says: str) -> None:
    with pytest.raises(BadFile, match=says):
        read_export(text, Signal.SKIN)


def test_a_damaged_file_of_a_wristband_is_named(tmp_path: Path) -> None:
    (folder := a_wristband(tmp_path)).joinpath("EDA.csv").write_text(f"{BEGUN_S}\n4\nx\n")

    with pytest.raises(BadFile, match=r"^EDA\.csv: line 3"):
        read_folder(folder)


# --- what cannot be felt -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("missing.csv", None, "check the path"),
        ("empty.csv", "", "there are no values in it"),
        ("words.csv", "hello\nworld\n", "words.csv"),
        ("norate.csv", "512\n513\n514\n", "needs its rate"),
        ("back.csv", "t_s,ppg\n0,1\n1,2\n0.5,3\n", "time goes back"),
        ("negative.csv", "rr_ms\n800\n-800\n", "not above 0"),
        ("TEMP.csv", f"{BEGUN_S}\n4\n33\n33\n", "does not say which sensor"),
        ("words.txt", "hello\n", "no heart, skin or touches"),
        ("touch.jsonl", "{}\n", "line 1"),
    ],
)
def test_what_cannot_be_felt_is_one_line_and_the_others_are_felt(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str, text: str | None, says: str
) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    good = hearts(tmp_path / "good.csv", 70)

    code, lines, error = feel(capsys, tmp_path / name, good)

    assert code == 1
    assert error.count("\n") == 1
    assert name in error
    assert says in error
    assert {line["file"] for line in lines} == {str(good)}


def test_a_folder_of_nothing_says_what_was_looked_for(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, _, error = feel(capsys, tmp_path)

    assert (code, error.count("\n")) == (1, 1)
    assert "no recording.toml and none of BVP.csv, EDA.csv, IBI.csv" in error


def test_a_rest_that_cannot_be_felt_is_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, lines, error = feel(capsys, "--rest", write(tmp_path / "rest.txt", "hello"), hearts(tmp_path / "a.csv", 70))

    assert (code, lines, error.count("\n")) == (1, [], 1)
    assert "no heart or skin" in error


def test_a_file_in_which_nothing_is_felt_has_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    flat = write(tmp_path / "flat.csv", "# rate_hz=50", *[512] * 1500)

    code, (line,), _ = feel(capsys, flat)

    assert (code, line["label"], line["modality"]) == (0, None, "biometric")


def test_fingers_beside_a_heart_are_no_judgements_of_it(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    hearts(tmp_path / "heart.csv", 70, seconds=60)
    points = [
        {"t_s": 0.5 * n, "pointer": 0, "phase": "up" if n % 2 else "down", "x": 0.5, "y": 0.5} for n in range(100)
    ]
    write(tmp_path / "touch.jsonl", *map(json.dumps, points))
    track = '[[track]]\nkind = "{}"\nfile = "{}"\nat_s = 0.0\n'
    write(
        tmp_path / "recording.toml", *(track.format(*one) for one in (("pulse", "heart.csv"), ("touch", "touch.jsonl")))
    )

    _, (alone, both), _ = feel(capsys, "--summary", tmp_path / "heart.csv", tmp_path)

    assert both["judgements"] == alone["judgements"]


def test_fingers_are_felt_too(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    points = [{"t_s": 0.02 * n, "pointer": 0, "phase": "move", "x": 0.2 + 0.05 * n, "y": 0.5} for n in range(12)]
    points[0]["phase"], points[-1]["phase"] = "down", "up"
    swipe = write(tmp_path / "swipe.jsonl", *map(json.dumps, points))

    _, lines, _ = feel(capsys, swipe)

    assert [(line["modality"], line["label"]) for line in lines] == [("haptic", "swipe_right")]


def test_the_documented_python_feels_a_minute(capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).parents[2] / "docs" / "body.md").read_text()
    code = page.split("```python\n")[1].split("```")[0]
    names: dict[str, Any] = {}
    exec(code, names)

    bvp = pulse(72, 60, 64)
    for number in range(60):
        names["second"](number + 1, bvp[64 * number : 64 * number + 64], np.full(4, 3.0))

    out = capsys.readouterr().out
    assert "heart_rate_normal" in out
    assert "'contact': 'good'" in out
