"""Settings are refused in one line that says where, what and how to mend it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import jsonschema
import msgspec
import pytest

from sensorium.errors import SensoriumError
from sensorium.settings import SettingsError, decode, from_environment, read_text, schema


class Link(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A link."""

    address: str = "127.0.0.1:50051"
    wait_s: Annotated[float, msgspec.Meta(gt=0, description="How long to wait, s.")] = 1.0
    password: str | None = None


class Camera(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="camera"):
    """A camera."""

    device: str = "0"


class Microphone(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="microphone"):
    """A microphone."""

    rate_hz: int = 16000


class House(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    link: Link = Link()
    spare: Link | None = None
    links: tuple[Link, ...] = ()
    rooms: dict[str, Link] = {}
    sensors: tuple[Camera | Microphone, ...] = ()


def refusal(text: str) -> str:
    with pytest.raises(SettingsError) as caught:
        decode(text, House, where="house.toml")
    message = str(caught.value)
    assert isinstance(caught.value, SensoriumError)
    assert "\n" not in message
    return message


def test_reads_what_is_there_and_fills_in_the_rest() -> None:
    house = decode('[link]\naddress = "a:1"\n[[links]]\nwait_s = 2', House, where="house.toml")

    assert house == House(link=Link(address="a:1"), links=(Link(wait_s=2.0),))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[lnk]", "house.toml: lnk: unknown key; did you mean 'link'?"),
        ("[link]\nadress = 'a'", "house.toml: link.adress: unknown key; did you mean 'address'?"),
        ("[spare]\nadress = 'a'", "house.toml: spare.adress: unknown key; did you mean 'address'?"),
        ("[[links]]\n[[links]]\nwaits = 1", "house.toml: links[1].waits: unknown key; did you mean 'wait_s'?"),
        ("[rooms.hall]\nwait = 1", "house.toml: rooms.hall.wait: unknown key; did you mean 'wait_s'?"),
        ("[link]\nq = 1", "house.toml: link.q: unknown key; known here: address, password, wait_s"),
        (
            "[[sensors]]\nkind = 'camera'\ndevise = 'a'",
            "house.toml: sensors[0].devise: unknown key; did you mean 'device'?",
        ),
    ],
)
def test_names_an_unknown_key_and_the_closest_known_one(text: str, said: str) -> None:
    assert refusal(text) == said


def test_picks_the_kind_of_a_sensor_by_its_tag() -> None:
    text = "[[sensors]]\nkind = 'camera'\ndevice = '2'\n[[sensors]]\nkind = 'microphone'\nrate_hz = 48000"

    assert decode(text, House, where="house.toml").sensors == (Camera("2"), Microphone(48000))


def test_refuses_a_kind_nobody_knows() -> None:
    assert refusal("[[sensors]]\nkind = 'nose'") == "house.toml: sensors[0].kind: invalid value 'nose'"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[link]\nwait_s = 'long'", "house.toml: link.wait_s: expected 'float', got 'str'"),
        ("[link]\nwait_s = 0", "house.toml: link.wait_s: expected 'float' > 0.0"),
        ("[[links]]\nwait_s = true", "house.toml: links[0].wait_s: expected 'float', got 'bool'"),
        ("link = 3", "house.toml: link: expected 'object', got 'int'"),
    ],
)
def test_names_the_key_whose_value_does_not_fit(text: str, said: str) -> None:
    assert refusal(text) == said


def test_says_where_the_text_is_not_toml() -> None:
    assert refusal("[link\n").startswith("house.toml: not TOML: ")


def test_a_file_that_cannot_be_read_is_refused_in_one_line_that_says_what_to_name(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as missing:
        read_text(tmp_path / "gone.toml", "name another file with --config")
    assert str(missing.value).endswith(
        "gone.toml: cannot be read: No such file or directory; name another file with --config"
    )

    (tmp_path / "photo.toml").write_bytes(b"\x89PNG\xff")
    with pytest.raises(SettingsError, match=r"photo\.toml: is not UTF-8 text; name a file with rules"):
        read_text(tmp_path / "photo.toml", "name a file with rules")


def test_a_file_may_begin_with_the_mark_that_some_editors_write(tmp_path: Path) -> None:
    (tmp_path / "agent.toml").write_bytes(b'\xef\xbb\xbflink = { address = "cloud:1" }')

    assert decode(read_text(tmp_path / "agent.toml", ""), House, where="agent.toml").link.address == "cloud:1"


def test_a_secret_comes_from_the_environment() -> None:
    names = {"LINK_PASSWORD": "link.password", "SPARE_PASSWORD": "spare.password"}
    overrides = from_environment({"LINK_PASSWORD": "sesame", "SPARE_PASSWORD": ""}, names)

    house = decode("[link]\npassword = 'old'", House, where="house.toml", overrides=overrides)

    assert house.link.password == "sesame"
    assert house.spare is None


def test_an_override_does_not_reach_into_a_value() -> None:
    with pytest.raises(SettingsError, match=r"house\.toml: link: must be a table"):
        decode("link = 3", House, where="house.toml", overrides={"link.password": "x"})


def test_the_schema_takes_what_decode_takes() -> None:
    published = schema(House)
    jsonschema.Draft202012Validator.check_schema(published)
    validator = jsonschema.Draft202012Validator(published)

    assert validator.is_valid({"link": {"wait_s": 1}, "sensors": [{"kind": "camera"}]})
    assert not validator.is_valid({"link": {"waits": 1}})
    assert not validator.is_valid({"link": {"wait_s": -1}})
