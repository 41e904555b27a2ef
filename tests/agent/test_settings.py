"""Settings: every key documented, every mistake one line with the way out."""

from __future__ import annotations

import tomllib
from pathlib import Path

import jsonschema
import msgspec
import pytest

from sensorium import concepts
from sensorium.event import Modality
from sensorium.settings import SettingsError, decode, schema
from sensorium_agent._app import knowledge
from sensorium_agent._app import settings as s
from sensorium_agent._app.compose import beating, egress, policy, sensors, told_by, touching
from sensorium_agent.offload import DEFAULT_EGRESS, Ask, Egress

EXAMPLE = Path(__file__).parents[2] / "systemd" / "agent.toml"


def read(tmp_path: Path, text: str, **environment: str) -> s.Settings:
    (file := tmp_path / "agent.toml").write_text(text)
    return s.read(file, environment)


def test_the_example_has_every_key_at_its_default() -> None:
    shown = tomllib.loads(EXAMPLE.read_text())
    for table in s.Settings.__struct_fields__:
        if table == "egress":
            assert shown[table] == DEFAULT_EGRESS
            continue
        kind = type(getattr(decode(EXAMPLE.read_text(), s.Settings, where="example"), table))
        defaults = {f.name: f.default for f in msgspec.structs.fields(kind)}
        assert set(shown[table]) == set(defaults)
        for key, value in defaults.items():
            read = tuple(shown[table][key]) if isinstance(value, tuple) else shown[table][key]
            assert value is msgspec.NODEFAULT or read == value, f"{table}.{key}"


def test_the_published_schema_accepts_the_example_and_refuses_a_stranger() -> None:
    example = tomllib.loads(EXAMPLE.read_text())
    jsonschema.validate(example, schema(s.Settings))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"cammera": {}}, schema(s.Settings))


def test_every_key_is_described_in_the_schema() -> None:
    definitions = schema(s.Settings)["$defs"]
    for table in ("Camera", "Cloud", "Mqtt", "Windows", "Spool"):
        for key, about in definitions[table]["properties"].items():
            assert about.get("description"), f"{table}.{key}"


def test_an_empty_file_is_an_agent_without_sensors(tmp_path: Path) -> None:
    settings = read(tmp_path, "")

    assert settings.modalities == ()
    assert settings.cloud is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[cammera]\n", "camera"),
        ("[camera]\nsorce = '1'\n", "source"),
        ("[camera]\nfps = 0\n", "camera.fps"),
        ("[windows]\nhop_ms = 600\n", "windows.hop_ms"),
        ("[windows]\ngap_ms = 6000\n", "windows.gap_ms"),
        ('[camera]\n[windows]\nkind = "pair"\npivot = "haptic"\n', "windows.pivot"),
        ("[mqtt]\nhost = 'b'\nport = 70000\n", "mqtt.port"),
        ("[cloud]\n", "cloud.target: is missing"),
        ("[cloud]\ntarget = 'a:1'\npolicy = 'sometimes'\n", "cloud.policy"),
        ("[egress]\nvideo = 'all'\n", "egress"),
        ("[mqtt]\nhost = 'b'\nca = 'ca.pem'\n", "mqtt.ca: is for TLS, which is off: set tls = true"),
        ("[cloud]\ntarget = 'a:1'\nkey = 'key.pem'\n", "cloud.key: is for TLS, which is off: set tls = true"),
        ("not toml", "not TOML"),
    ],
)
def test_a_mistake_is_one_line_that_names_it(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read(tmp_path, text)

    assert said in str(refused.value)
    assert str(tmp_path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file"):
        s.read(tmp_path / "nothing.toml", {})


def test_secrets_come_from_the_environment_only_for_tables_in_use(tmp_path: Path) -> None:
    secret = {"SENSORIUM_MQTT_PASSWORD": "hush"}

    assert read(tmp_path, "", **secret).mqtt is None
    settings = read(tmp_path, "[mqtt]\nhost = 'b'\npassword = 'old'\n", **secret)
    assert settings.mqtt is not None
    assert settings.mqtt.password == "hush"


def test_what_leaves_the_device_is_the_defaults_and_what_the_file_changes(tmp_path: Path) -> None:
    settings = read(tmp_path, "[egress]\nvideo = 'none'\n")

    assert egress(settings)[Modality.VIDEO] is Egress.NONE
    assert egress(settings)[Modality.BIOMETRIC] is Egress.NONE
    assert egress(settings)[Modality.AUDIO] is Egress.FEATURES


def test_without_a_cloud_nothing_is_offered(tmp_path: Path) -> None:
    assert policy(read(tmp_path, "")).ask is Ask.NEVER
    assert policy(read(tmp_path, "[cloud]\ntarget = 'a:1'\n")).ask is Ask.ALWAYS


def test_a_camera_tells_of_pictures_and_hands() -> None:
    assert told_by([Modality.VIDEO]) == (Modality.VIDEO, Modality.GESTURE)


def test_a_device_name_is_fit_for_topics(tmp_path: Path) -> None:
    assert read(tmp_path, "[device]\nname = 'living room/1'\n").device_name == "living-room-1"


def test_strokes_lie_beside_the_agents_own_files_or_where_the_settings_say(tmp_path: Path) -> None:
    usual = read(tmp_path, "")
    chosen = read(tmp_path, f"[touch]\nsource = '/dev/input/event4'\nstrokes = '{tmp_path}/mine.json'\n")

    assert usual.strokes_file == usual.spool_directory.parent / "strokes.json"
    assert chosen.strokes_file == tmp_path / "mine.json"


def test_limits_of_touch_and_heart_reach_the_perceivers(tmp_path: Path) -> None:
    settings = read(
        tmp_path,
        f"[touch]\nsource = 'x'\nlong_press_ms = 700\nstrokes = '{tmp_path}/none.json'\n"
        "[pulse]\nsource = 'x'\nhigh_bpm = 120\n[skin]\nsource = 'y'\n",
    )

    assert touching(settings).feel.long_press_ms == 700
    assert not touching(settings).strokes.names
    bounds = beating(settings)
    assert bounds is not None
    assert (bounds.low_bpm, bounds.high_bpm) == (50, 120)
    assert [sensor.name for sensor in sensors(settings)] == ["touch", "pulse", "skin"]


def test_skin_alone_tells_of_the_body(tmp_path: Path) -> None:
    assert read(tmp_path, "[skin]\nsource = 'y'\n").modalities == (Modality.BIOMETRIC,)


def test_bounds_that_leave_no_normal_rate_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no rate is normal"):
        read(tmp_path, "[pulse]\nsource = 'x'\nlow_bpm = 90\nhigh_bpm = 80\n")


def test_a_recording_keeps_concepts_that_can_be_read_again(tmp_path: Path) -> None:
    own = tmp_path / "concepts.toml"
    own.write_bytes(b'\xef\xbb\xbf[concept.tea]\ndescription = "Make tea."\n')
    settings = s.Settings(fusion=s.Fusion(concepts=str(own)))

    assert concepts.parse(knowledge.text(settings)).digest == knowledge.untaught(settings).digest
    assert knowledge.text(s.Settings()) == ""
