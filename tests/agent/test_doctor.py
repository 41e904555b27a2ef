"""The doctor finds what is missing and says how to mend it, each in one line."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from services import Broker, broker, free_port

from sensorium_agent._app import devices
from sensorium_agent._app.devices import Found
from sensorium_agent._app.doctor import machine, network, own_files, senses, software
from sensorium_agent._app.doctor.check import check
from sensorium_agent._app.doctor.result import Result, render
from sensorium_agent._app.models import accelerators
from sensorium_agent._app.settings import Camera, Cloud, Fusion, Mqtt, RulesFile, Settings, Spool, TextInput


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[Broker]:
    with broker(tmp_path, password="right") as started:
        yield started


# --- one check at a time -----------------------------------------------------------------


def test_an_old_python_fails() -> None:
    assert software.python((3, 10, 4)).state == "fail"
    assert software.python((3, 12, 0)).state == "ok"


def test_a_runtime_that_is_needed_and_missing_fails_with_the_command() -> None:
    missing = software.runtime("Thing", ("no_such_module",), needed=True)

    assert (missing.state, missing.way_out) == ("fail", "pip install 'sensorium[agent]'")
    assert software.runtime("Thing", ("no_such_module",), needed=False).state == "warn"


def test_the_second_choice_of_a_runtime_is_good_enough() -> None:
    found = software.runtime("NumPy", ("no_such_module", "numpy"), needed=True)

    assert found.state == "ok"
    assert found.detail.startswith("numpy ")


@pytest.mark.needs_models
def test_a_board_without_onnx_runtime_lacks_nothing_for_what_was_fetched() -> None:
    assert not software.any_onnx()


def test_a_clock_that_is_not_synchronised_warns() -> None:
    assert [machine.wall_clock(state).state for state in (0, 5, -1)] == ["ok", "warn", "warn"]


def test_a_spool_larger_than_the_disk_fails(tmp_path: Path) -> None:
    assert machine.disk(tmp_path / "spool", 10**9).state == "fail"
    assert machine.disk(tmp_path / "spool", 1).state == "ok"


def test_devices_that_are_configured_must_be_there(tmp_path: Path) -> None:
    (tmp_path / "notes").touch()
    settings = Settings(camera=Camera(source="/dev/video97"), text=TextInput(source=str(tmp_path / "notes")))

    assert [(r.name, r.state) for r in senses.sensors(settings)] == [("Camera", "fail"), ("Text", "ok")]


def test_an_address_is_no_file_that_must_be_there() -> None:
    assert list(senses.sensors(Settings(camera=Camera(source="rtsp://camera/stream")))) == []


def test_a_microphone_is_found_by_number_or_part_of_its_name() -> None:
    found = [Found("microphone", "3", "USB Audio: device")]

    assert [senses._microphone(s, found).state for s in ("3", "usb", "default", "4")] == ["ok", "ok", "ok", "fail"]


def test_a_cloud_that_listens_is_good_and_one_that_does_not_is_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert network.cloud(Cloud(target=f"127.0.0.1:{server.getsockname()[1]}")).state == "ok"
    assert network.cloud(Cloud(target=f"127.0.0.1:{free_port()}")).state == "warn"
    assert network.cloud(Cloud(target="nonsense")).state == "fail"


def test_a_key_for_the_cloud_that_is_not_there_fails() -> None:
    found = network.cloud(Cloud(target="127.0.0.1:1", tls=True, certificate="/no/cert", key="/no/key"))

    assert (found.state, found.way_out) == ("fail", "name a PEM file that is there")


def test_files_that_the_settings_name_are_tried(tmp_path: Path) -> None:
    (good := tmp_path / "good.toml").write_text('[rule.a]\nwhen = ["stop"]\npublish = { topic = "t" }\n')
    (bad := tmp_path / "bad.toml").write_text('[rule.a]\nwhen = ["stopp"]\npublish = { topic = "t" }\n')

    def found(settings: Settings) -> list[tuple[str, str]]:
        return [(r.name, r.state) for r in own_files.files(settings)]

    assert found(Settings(rules=RulesFile(file=str(good)))) == [("Concepts", "ok"), ("Rules", "ok")]
    assert found(Settings(rules=RulesFile(file=str(bad)))) == [("Concepts", "ok"), ("Rules", "fail")]
    assert found(Settings(fusion=Fusion(concepts=str(tmp_path / "none")))) == [("Concepts", "fail")]


def test_a_broker_that_refuses_us_fails(strict: Broker) -> None:
    def asked(password: str) -> str:
        mqtt = Mqtt(host="127.0.0.1", port=strict.port, username="agent", password=password)
        return network.broker(mqtt).state

    assert asked("right") == "ok"
    assert asked("wrong") == "fail"


def test_a_broker_that_is_off_is_only_a_warning() -> None:
    assert network.broker(Mqtt(host="127.0.0.1", port=free_port())).state == "warn"


def test_every_accelerator_is_here_or_comes_with_the_way_to_it() -> None:
    found = accelerators.surveyed(["CUDAExecutionProvider"], {"edgetpu": "libedgetpu.so.1", "armnnDelegate": ""})

    assert found.here == ("xnnpack", "cuda", "delegate:libedgetpu.so.1")
    assert [way.partition(":")[0] for way in found.ways] == ["tensorrt", "openvino", "coreml", "Arm NN"]


@pytest.mark.parametrize(
    ("setting", "state", "said"),
    [
        ("auto", "ok", "auto"),
        ("xnnpack:2", "ok", "xnnpack:2"),
        ("cuda", "warn", "pip install onnxruntime-gpu"),
        ("delegate:/nowhere.so", "warn", "/nowhere.so: cannot be loaded"),
    ],
)
def test_an_accelerator_that_is_set_is_tried(setting: str, state: str, said: str) -> None:
    *_, found = software.acceleration(setting)

    assert (found.name, found.state) == ("Accelerator", state)
    assert said in found.detail


def test_a_choice_of_versions_that_is_damaged_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSORIUM_MODELS", str(tmp_path))
    (tmp_path / "names").mkdir()
    (tmp_path / "names" / "gesture_classifier.json").write_text("{")

    *_, tried = software.acceleration("delegate:/nowhere.so")
    (found,) = software.models(needed=True)

    assert (found.state, tried.state) == ("fail", "warn")
    assert "gesture_classifier.json" in found.detail


def test_a_processor_on_which_a_kernel_is_wrong_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    assert software.arithmetic(["gesture_classifier"]).state == "ok"

    monkeypatch.setattr(accelerators, "_apart", lambda name: 0.4 if name == "hand_landmark" else 0.02)
    found = software.arithmetic(["palm_detection", "hand_landmark"])

    assert (found.state, found.detail.rpartition(" ")[2]) == ("fail", "hand_landmark")
    assert 'accelerator = "builtin"' in found.way_out


# --- all together ------------------------------------------------------------------------


def test_every_finding_that_is_not_good_says_the_way_out(tmp_path: Path) -> None:
    settings = Settings(
        camera=Camera(source="/dev/video97"),
        cloud=Cloud(target=f"127.0.0.1:{free_port()}"),
        mqtt=Mqtt(host="127.0.0.1", port=free_port()),
        spool=Spool(directory=str(tmp_path)),
    )

    results = check(settings)

    assert {r.name for r in results} >= {"Python", "LiteRT", "OpenCV", "Models", "Boot id", "Spool", "Cloud", "Broker"}
    assert all(r.way_out for r in results if r.state != "ok")
    assert not any("\n" in r.detail for r in results)


def test_the_report_ends_with_the_counts() -> None:
    report = render([Result("A", "ok", "good"), Result("Bee", "fail", "bad", "mend it")])

    assert report.splitlines() == ["ok    A    good", "fail  Bee  bad", "           -> mend it", "1 ok, 0 warn, 1 fail"]


# --- devices -----------------------------------------------------------------------------


def test_cameras_are_listed_once_and_in_order(tmp_path: Path) -> None:
    for node, index, name in (
        ("video10", "0", "Second"),
        ("video2", "0", "First"),
        ("video3", "1", "First (metadata)"),
    ):
        (tmp_path / node).mkdir()
        (tmp_path / node / "index").write_text(index + "\n")
        (tmp_path / node / "name").write_text(name + "\n")

    found = devices.cameras(tmp_path)

    assert [(f.source, f.name) for f in found] == [("/dev/video2", "First"), ("/dev/video10", "Second")]


def test_no_devices_is_a_list_that_says_so(tmp_path: Path) -> None:
    assert devices.cameras(tmp_path / "none") == []
    assert devices.touch_pads(tmp_path / "none") == []
    assert devices.render([]).splitlines() == [f"[{k}]   # none found" for k in ("camera", "microphone", "touch")]


def test_the_list_can_be_pasted_into_the_settings() -> None:
    shown = devices.render(
        [Found("camera", "/dev/video0", "HD Webcam"), Found("touch", "", "2 input devices", "not allowed")]
    )

    lines = [line.split("#")[0].strip() for line in shown.splitlines()]
    assert lines == ["[camera]", 'source = "/dev/video0"', "[microphone]", "[touch]", ""]
