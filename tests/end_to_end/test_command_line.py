"""What a newcomer meets: help, mistakes, exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sensorium_agent.__main__ import main
from sensorium_agent._app.commands import VERBS

EXAMPLE = Path(__file__).parents[2] / "systemd" / "agent.toml"


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(arguments)
    out, err = capsys.readouterr()
    return code, out, err


def test_every_command_explains_itself() -> None:
    for command in ([], *([verb] for verb in VERBS), ["models", "fetch"]):
        with pytest.raises(SystemExit) as left:
            main([*command, "--help"])
        assert left.value.code == 0


def test_a_good_settings_file_is_called_good(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "validate", str(EXAMPLE)) == (0, f"{EXAMPLE}: good\n", "")


def test_a_misspelt_key_is_one_line_with_the_closest_one_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (file := tmp_path / "a.toml").write_text("[camera]\nsorce = '0'\n")
    code, out, err = said(capsys, "validate", str(file))

    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert "camera.sorce" in err
    assert "source" in err


def in_a_shell(command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command with its streams as the shell has them."""
    words = ["sh", "-c", f'exec "$0" -m sensorium_agent "$@" {command}', sys.executable, *arguments]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)


def test_a_disk_too_full_for_what_is_printed_is_one_line() -> None:
    for arguments in (["validate", str(EXAMPLE)], ["validate", "--schema"]):
        done = in_a_shell("> /dev/full", *arguments)

        assert (done.returncode, done.stderr) == (1, "sensorium: output: No space left on device; free some space\n")


def test_without_standard_error_no_trouble_is_told_in_a_file_that_took_its_place(tmp_path: Path) -> None:
    (file := tmp_path / "a.toml").write_text("[camera]\nsorce = '0'\n")

    done = in_a_shell("2>&-", "validate", str(file))

    assert (done.returncode, done.stdout) == (2, "")
    assert file.read_text() == "[camera]\nsorce = '0'\n"


def test_without_standard_input_there_are_no_lines_to_read() -> None:
    done = in_a_shell("<&-", "run", "--text", "-", "--jsonl", "--status")

    assert done.returncode == 0
    assert json.loads(done.stdout.splitlines()[-1])["samples"] == {}


def test_a_picture_of_the_demo_that_cannot_be_written_is_said_before_it_begins(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = said(capsys, "demo", "--no-cloud", "--svg", str(tmp_path / "nowhere" / "a.svg"))

    assert (code, out) == (1, "")
    assert err.endswith("nowhere/a.svg: No such file or directory; name a file that can be written\n")


def test_the_schema_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said(capsys, "validate", "--schema")

    assert code == 0
    assert "camera" in json.dumps(json.loads(out))


def test_a_file_that_cannot_be_played_is_one_line_and_the_others_are_played(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    (bad := tmp_path / "bad.wav").write_bytes(b"RIFFnonsense")
    (good := tmp_path / "good.txt").write_text("stop\n")
    code = main(["run", "--play", str(bad), str(tmp_path / "none.jpg"), str(good), "--jsonl"])
    out, err = capsysbinary.readouterr()

    assert code == 1
    assert err.count(b"\n") == 2
    assert {json.loads(line)["file"] for line in out.splitlines()} == {str(good)}


def test_no_sensor_is_said_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (file := tmp_path / "a.toml").write_text("")
    code, _, err = said(capsys, "run", "--config", str(file))

    assert code == 2
    assert "no sensor is configured" in err


def test_a_missing_config_is_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "run", "--config", "/nonexistent.toml")[0] == 2


def test_validate_without_a_file_asks_for_one(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = said(capsys, "validate")

    assert code == 2
    assert "--schema" in err


def test_a_missing_model_is_exit_code_3_and_names_the_way_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENSORIUM_MODELS", str(tmp_path))
    command = [sys.executable, "-m", "sensorium_agent", "run", "--play", "x.wav", "--jsonl"]
    (tmp_path / "x.wav").write_bytes(_silence())
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.returncode == 3
    assert "sensorium models fetch" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_library_that_was_not_installed_is_one_line(tmp_path: Path) -> None:
    hidden = tmp_path / "cv2.py"
    hidden.write_text('raise ImportError("libGL.so.1: cannot open shared object file", name="cv2")\n')
    command = [sys.executable, "-m", "sensorium_agent", "see", "hand.jpg"]
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, check=False, env=environment, capture_output=True, text=True)

    assert done.returncode == 1
    assert done.stderr == (
        "sensorium: cv2 cannot be loaded (libGL.so.1: cannot open shared object file); pip install 'sensorium[agent]'\n"
    )


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    (words := tmp_path / "words.txt").write_text("stop\ngo\n")
    command = [sys.executable, "-m", "sensorium_agent", "run", "--live", "--play", str(words), "--jsonl"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_a_spool_in_use_is_one_line(tmp_path: Path) -> None:
    from sensorium_agent.spool.log import Spool

    (words := tmp_path / "words.txt").write_text("stop\n")
    spool = Spool.open(tmp_path / "spool")
    arguments = ["run", "--live", "--play", str(words), "--cloud", "127.0.0.1:9", "--spool", str(tmp_path / "spool")]
    command = [sys.executable, "-m", "sensorium_agent", *arguments, "--jsonl"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    spool.close()

    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert str(tmp_path / "spool") in done.stderr


def test_a_flag_changes_one_key_and_leaves_the_rest_of_its_table(tmp_path: Path) -> None:
    from sensorium_agent.__main__ import _parser
    from sensorium_agent._app.commands import options

    (file := tmp_path / "a.toml").write_text('[cloud]\ntarget = "a:1"\ntls = true\n[camera]\ngestures = false\n')
    args = _parser().parse_args(["run", "--config", str(file), "--cloud", "b:2", "--camera", "1"])
    settings = options.settings(args, needed=True)

    assert settings.cloud is not None
    assert (settings.cloud.target, settings.cloud.tls) == ("b:2", True)
    assert settings.camera is not None
    assert (settings.camera.source, settings.camera.gestures) == ("1", False)


def _silence() -> bytes:
    import io
    import wave

    out = io.BytesIO()
    with wave.open(out, "wb") as w:
        w.setnchannels(1)
        w.setsampwidth(2)
        w.setframerate(16000)
        w.writeframes(bytes(16000))
    return out.getvalue()


def test_a_microphone_only_agent_imports_no_camera_and_no_cloud() -> None:
    code = (
        "import sys; from sensorium_agent.__main__ import main; main(['models', 'list']);"
        "from sensorium_agent.capture import microphone; from sensorium_agent._app import run, compose, daemon;"
        "print([m for m in ('cv2', 'grpc', 'torch', 'rich', 'paho', 'onnxruntime', 'fastapi') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.needs_models
def test_who_only_listens_loads_neither_cameras_nor_clouds_nor_grammars(tmp_path: Path) -> None:
    (sound := tmp_path / "sound.wav").write_bytes(_silence())
    code = (
        f"import sys; from sensorium_agent.__main__ import main; main(['run', '--jsonl', '--play', {str(sound)!r}]);"
        "unasked = {'cv2', 'torch', 'ray', 'fastapi', 'pocketsphinx', 'grpc', 'scipy', 'onnxruntime'};"
        "print(sorted(unasked & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "[]"
