"""What people see: help, one line when something is wrong, and an exit code that says whose turn it is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from sensorium.errors import SensoriumError
from sensorium.settings import SettingsError
from sensorium_cloud.__main__ import _announce, main
from sensorium_cloud._app.place import bound
from sensorium_cloud._app.settings import Settings, load, pem
from sensorium_cloud._app.state import prepare
from sensorium_models import store

HEAVY = {"grpc", "numpy", "onnxruntime", "cv2", "tokenizers", "google.protobuf", "msgspec"}
PEM = "-----BEGIN CERTIFICATE-----\n"


def toml(folder: Path, text: str) -> Path:
    file = folder / "cloud.toml"
    file.write_text(text)
    return file


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(arguments)
    out = capsys.readouterr()
    return code, out.out, out.err


def test_a_good_file_is_good(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = toml(tmp_path, "[listen]\nport = 6000\n[engine]\nmax_batch = 8")

    assert said(capsys, "validate", str(file)) == (0, f"{file}: good\n", "")
    assert load(file, {}).listen.port == 6000


TOKENS = "[gateway]\ntokens = [{{sha256 = '{0}', tenant = 'x'}}, {{sha256 = '{0}'}}]\n".format("a" * 64)
MIXED = "gateway.tokens: give all of them a tenant, or none: one without could name the sessions of another's"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[listn]", "listn: unknown key; did you mean 'listen'?"),
        ("[listen]\nport = 70000", "listen.port: expected 'int' <= 65535"),
        ("[engine]\npatience_s = inf", "engine.patience_s: expected 'float' <= 100000000.0"),
        ("[listen]\nstream_age_s = inf", "listen.stream_age_s: expected 'float' <= 100000000.0"),
        (TOKENS, MIXED),
        ("[redis]\nurl = 'secret@host'", "redis.url: begins with redis:// or rediss:// or unix://"),
        (
            "[redis]\nurl = 'redis://:secret@host:port/0'",
            "redis.url: its port or number is none: write redis://HOST:PORT/NUMBER",
        ),
        (
            "[redis]\nurl = 'redis://host:6379/zero'",
            "redis.url: its port or number is none: write redis://HOST:PORT/NUMBER",
        ),
        ("[trace]\nendpoint = 'http://collector:grpc'", "trace.endpoint: its port is none: write http://HOST:PORT"),
        ("[metricz]\nenabled = true", "metricz: unknown key; did you mean 'metrics'?"),
        ("[trace]\nendpoint = 'collector:4317'", "trace.endpoint: begins with http:// or https://"),
        ("[tls]\nkey = 'k.pem'", "tls.key: needs tls.certificate too"),
        ("[tls]\ncertificate = 'c.pem'\nkey = 'k.pem'", "tls.certificate: c.pem: No such file or directory"),
        ("[fusion]\nvocabulary = 'words.toml'", "fusion.vocabulary: no such file: words.toml"),
        ("[gateway]\nenabled = true\nport = 50051", "gateway.port: listen.port is 50051 too: give another"),
        (
            "[gateway]\nenabled = true\n[metrics]\nenabled = true\nhost = '0.0.0.0'\nport = 8080",
            "metrics.port: gateway.port is 8080 too: give another",
        ),
    ],
)
def test_a_bad_file_is_one_line_and_code_2(
    text: str, complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = toml(tmp_path, text)

    assert said(capsys, "validate", str(file)) == (2, "", f"sensorium-cloud: {file}: {complaint}\n")


@pytest.mark.parametrize(
    "text",
    [
        "[gateway]\nport = 50051",
        "[listen]\nport = 0\n[gateway]\nenabled = true\nport = 0",
        "[metrics]\nenabled = true\nhost = '127.0.0.2'\nport = 50051",
    ],
)
def test_ports_may_be_alike_that_are_not_listened_on_or_free_or_elsewhere(text: str, tmp_path: Path) -> None:
    assert load(toml(tmp_path, text), {})


def test_the_vocabulary_is_checked_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = tmp_path / "words.toml"
    words.write_text("[concept.nod]\ndescripton = 'x'")
    code, _, err = said(capsys, "validate", str(toml(tmp_path, f"[fusion]\nvocabulary = '{words}'")))

    assert code == 2
    assert "did you mean 'description'?" in err


def test_the_schema_is_published(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said(capsys, "validate", "--schema")
    schema = json.loads(out)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)

    assert code == 0
    assert validator.is_valid({"listen": {"port": 1}})
    assert not validator.is_valid({"listen": {"prt": 1}})


def test_every_setting_says_what_it_is_for() -> None:
    definitions = json.loads(json.dumps(_properties()))

    assert [name for name, about in definitions.items() if not about] == []


def _properties() -> dict[str, str]:
    from sensorium.settings import schema

    found = {}
    for table, definition in schema(Settings)["$defs"].items():
        for key, value in definition.get("properties", {}).items():
            found[f"{table}.{key}"] = value.get("description") or value.get("$ref", "") or str(value.get("anyOf", ""))
    return found


def test_options_win_over_the_file_and_secrets_come_from_the_environment(tmp_path: Path) -> None:
    file = toml(tmp_path, "device_name = 'attic'\n[listen]\nport = 6000\n[tls]\nkey = 'k'\ncertificate = 'c'")
    environ = {"SENSORIUM_CLOUD_TLS_KEY": PEM, "SENSORIUM_CLOUD_TLS_CERTIFICATE": PEM}

    found = load(file, environ, {"listen.port": 7000})

    assert (found.name, found.listen.port, found.tls.key) == ("attic", 7000, PEM)


def test_a_certificate_is_a_file_or_the_text_itself(tmp_path: Path) -> None:
    file = tmp_path / "c.pem"
    file.write_text(PEM)
    (tmp_path / "not.pem").write_text("hello")

    assert pem(PEM, "tls.key") == pem(str(file), "tls.key") == PEM.encode()
    assert pem("", "tls.key") == b""
    with pytest.raises(SettingsError, match=r"tls\.key: .*not a PEM file"):
        pem(str(tmp_path / "not.pem"), "tls.key")


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = said(capsys, "validate", str(tmp_path))

    assert code == 2
    assert err.startswith(f"sensorium-cloud: {tmp_path}: cannot be read: ")


def test_asks_which_file(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = said(capsys, "validate")

    assert code == 2
    assert "which file?" in err


def test_missing_models_are_code_3_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SENSORIUM_MODELS", str(tmp_path))
    code, _, err = said(capsys, "serve", "--port", "0")

    assert code == 3
    assert "sentence_embedding" in err
    assert "models fetch" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("how", [(), ("--workers", "2"), ("--engine", "ray")])
@pytest.mark.parametrize("wrong", ["--port", "--gateway", "--state"])
def test_a_port_in_use_and_a_folder_that_is_none_are_found_before_models_are_loaded(
    wrong: str,
    how: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SENSORIUM_MODELS", str(tmp_path))
    (file := tmp_path / "file").touch()
    with bound("127.0.0.1", 0) as other:
        other.listen()
        port = str(other.getsockname()[1])
        code, _, err = said(capsys, "serve", *how, "--port", "0", wrong, str(file) if wrong == "--state" else port)

    assert code == 1
    assert (str(file) if wrong == "--state" else f"127.0.0.1:{port}: it is in use") in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("gateway", "redis", "kept"), [(False, "", False), (True, "", True), (True, "redis://h", False)]
)
def test_history_has_a_file_only_where_somebody_reads_it_there(
    gateway: bool, redis: str, kept: bool, tmp_path: Path
) -> None:
    told = {"state.folder": str(tmp_path), "gateway.enabled": gateway, "redis.url": redis}

    prepare(load(None, {}, told))

    assert [file.name for file in tmp_path.glob("*history*.sqlite3")] == ["sensorium-history.sqlite3"] * kept
    assert len(list(tmp_path.glob("sensorium-cloud.sqlite3"))) == 1


def test_an_address_of_a_cluster_needs_the_engine_that_joins_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "serve", "--ray-address", "127.0.0.1:6379") == (
        2,
        "",
        "sensorium-cloud: --ray-address: needs --engine ray\n",
    )


def test_a_wrong_option_is_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = said(capsys, "serve", "--port", "99999")

    assert (code, err) == (2, "sensorium-cloud: settings: listen.port: expected 'int' <= 65535\n")


def test_a_ready_file_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SensoriumError, match=r"--ready-file .*: No such file or directory; give"):
        _announce("127.0.0.1:1", tmp_path / "none" / "ready")


def test_that_a_ready_file_cannot_be_made_is_known_before_models_are_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SENSORIUM_MODELS", str(tmp_path))
    code, _, err = said(capsys, "serve", "--port", "0", "--ready-file", str(tmp_path / "none" / "ready"))

    assert (code, err.count("\n")) == (1, 1)
    assert "No such file or directory; give a file that can be made" in err


def test_models_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said(capsys, "models", "list")

    assert code == 0
    assert "sentence_embedding" in out
    assert store.models("cloud")


@pytest.mark.parametrize(
    "said", ["sensorium_cloud models list", "sensorium_cloud validate --schema", "sensorium_models list"]
)
def test_who_stops_reading_ends_it_without_a_word(said: str) -> None:
    """As `head` does; a pipe that nobody reads is one that was read for long enough."""
    reads, writes = os.pipe()
    os.close(reads)
    try:
        done = subprocess.run(
            [sys.executable, "-m", *said.split()], stdout=writes, stderr=subprocess.PIPE, text=True, check=False
        )
    finally:
        os.close(writes)

    assert (done.returncode, done.stderr) == (0, "")


def test_help_imports_nothing_heavy() -> None:
    script = "import sys; from sensorium_cloud.__main__ import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    script += "print(sorted(sys.modules), file=sys.stderr)"
    env = {**os.environ, "COLUMNS": "120"}
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True)

    assert "exit codes:" in done.stdout
    assert {name for name in HEAVY if f"'{name}'" in done.stderr} == set()
