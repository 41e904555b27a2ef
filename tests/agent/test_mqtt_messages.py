"""What is said over MQTT, as a broker's clients and Home Assistant read it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import jinja2
import pytest
from agent.told import a_symbol, an_episode

from sensorium.episode import Phase
from sensorium.symbol import Reason, Revision
from sensorium_agent._app import mqtt_messages as messages
from sensorium_agent._app.mqtt_messages import Health, Message

CONCEPTS = ("greeting", "stop")


def shown(part: str, message: Message) -> str:
    """What an entity of Home Assistant shows once it has read ``message``."""
    environment = jinja2.Environment(autoescape=False)
    environment.filters["to_json"] = json.dumps
    entity = components()[part]
    assert entity["state_topic"] == message.topic
    return environment.from_string(entity["value_template"]).render(value_json=json.loads(message.payload))


def components() -> dict[str, Any]:
    said: dict[str, Any] = json.loads(messages.discovery("kitchen", "homeassistant", "1.2.3", CONCEPTS).payload)
    return dict(said["components"])


def test_home_assistant_gets_all_it_needs_in_one_message() -> None:
    message = messages.discovery("kitchen", "homeassistant", "1.2.3")
    said = json.loads(message.payload)

    assert message.topic == "homeassistant/device/sensorium_kitchen/config"
    assert message.retain
    assert said["device"]["identifiers"] == ["sensorium_kitchen"]
    assert said["origin"]["name"] == "sensorium"
    assert set(said["components"]) >= {"concept", "confidence", "windows", "link", "temperature"}
    for part in said["components"].values():
        assert part["platform"] in ("sensor", "binary_sensor")
        assert part["state_topic"].startswith("sensorium/kitchen/")
        assert part["availability_topic"] == "sensorium/kitchen/state"
        assert re.fullmatch(r"\{\{.*\}\}", part["value_template"])
    unique = [part["unique_id"] for part in said["components"].values()]
    assert len(set(unique)) == len(unique)


def test_a_device_that_asks_no_cloud_shows_no_link() -> None:
    said = json.loads(messages.discovery("kitchen", "homeassistant", "1.2.3", linked=False).payload)

    assert "link" not in said["components"]
    assert "windows" in said["components"]


def test_home_assistant_hears_each_meaning_once_as_an_event() -> None:
    said = json.loads(messages.discovery("kitchen", "homeassistant", "1.2.3", ["greeting", "stop"]).payload)
    meant = said["components"]["meant"]

    assert (meant["platform"], meant["event_types"]) == ("event", ["greeting", "stop"])
    assert meant["state_topic"] == messages.episode("kitchen", an_episode()).topic
    assert meant["value_template"].startswith("{% if value_json.phase == 'new' %}")


def test_what_must_arrive_has_quality_1_and_what_is_replaced_has_0() -> None:
    assert messages.symbol("kitchen", a_symbol()).qos == 1
    assert messages.state("kitchen", messages.ONLINE).qos == 1
    assert messages.health("kitchen", {}).qos == 0


def test_no_media_and_no_features_are_ever_told() -> None:
    said = json.loads(messages.symbol("kitchen", a_symbol()).payload)

    assert {"media", "features", "timeline", "shares"}.isdisjoint(said)


def test_a_refined_symbol_proves_the_link() -> None:
    health = messages.after_symbol({"windows": 4, "link": "down"}, a_symbol(revision=Revision.CLOUD))

    assert health == {"windows": 4, "refined": 1, "link": "up"}


def test_the_link_is_told_by_its_own_status() -> None:
    assert messages.after_status({}, {"kind": "link", "up": False}) == {"link": "down"}


# --- Home Assistant's templates ----------------------------------------------------------


def test_a_symbol_shows_its_concept_or_why_there_is_none() -> None:
    unsure = replace(a_symbol(), concept=None, abstained=Reason.UNSURE)

    assert shown("concept", messages.symbol("kitchen", a_symbol())) == "greeting"
    assert shown("concept", messages.symbol("kitchen", unsure)) == "unsure"
    assert shown("confidence", messages.symbol("kitchen", a_symbol())) == "91.0"


def test_an_episode_is_an_event_when_it_begins_and_nothing_after() -> None:
    begun = json.loads(shown("meant", messages.episode("kitchen", an_episode())))

    assert begun == {"event_type": "greeting", "confidence": 0.91, "id": "s.0"}
    assert not shown("meant", messages.episode("kitchen", replace(an_episode(), phase=Phase.END)))


@pytest.mark.parametrize(
    ("part", "health", "said"),
    [
        ("link", {"link": "up"}, "ON"),
        ("link", {}, "OFF"),
        ("windows", {"windows": 7}, "7"),
        ("windows", {}, "0"),
        ("dropped", {"telemetry_dropped": 3}, "3"),
        ("temperature", {"temperature_c": 48.3}, "48.3"),
        ("temperature", {"temperature_c": None}, "None"),
        ("sensors", {}, "OFF"),
        ("sensors", {"sensors": {"camera": {"state": "up"}}}, "OFF"),
        ("sensors", {"sensors": {"camera": {"state": "down"}, "text": {"state": "up"}}}, "ON"),
    ],
)
def test_health_shows_in_figures(part: str, health: Health, said: str) -> None:
    assert shown(part, messages.health("kitchen", health)) == said
