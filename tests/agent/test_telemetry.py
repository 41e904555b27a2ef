"""Telemetry against a real broker, also one that is killed, refuses us, or comes late."""

from __future__ import annotations

import json
import logging
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import paho.mqtt.client as paho
import pytest
from agent.told import a_symbol, an_episode
from paho.mqtt.enums import CallbackAPIVersion
from services import Broker, broker, free_port, make_keys, until

from sensorium_agent._app.broker_tls import BrokerKeysError, context, way_out
from sensorium_agent._app.doctor import network
from sensorium_agent._app.settings import Mqtt
from sensorium_agent._app.telemetry import Telemetry, temperature_c


class Ear:
    """A client that hears everything, with who says it last."""

    def __init__(self, port: int) -> None:
        self.heard: list[tuple[str, Any, bool]] = []
        self._there = threading.Event()
        self.client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        self.client.on_message = lambda _c, _d, m: self.heard.append((m.topic, _plain(m.payload), m.retain))
        self.client.on_subscribe = lambda *_: self._there.set()
        self.client.on_connect = lambda c, *_: c.subscribe("#")
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        assert self._there.wait(10)

    def of(self, topic: str) -> list[Any]:
        return [payload for heard, payload, _ in list(self.heard) if heard == topic]


def _plain(payload: bytes) -> Any:
    try:
        return json.loads(payload)
    except ValueError:
        return payload.decode()


@contextmanager
def an_ear(port: int) -> Iterator[Ear]:
    ear = Ear(port)
    try:
        yield ear
    finally:
        ear.client.disconnect()
        ear.client.loop_stop()


@contextmanager
def telling(port: int, **settings: Any) -> Iterator[Telemetry]:
    telemetry = Telemetry("kitchen", host="127.0.0.1", port=port, **settings)
    telemetry.start()
    try:
        yield telemetry
    finally:
        telemetry.stop()


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Broker]:
    with broker(tmp_path) as started:
        yield started


# --- with a broker -----------------------------------------------------------------------


def test_a_symbol_is_told_with_the_words_people_read(mosquitto: Broker) -> None:
    with an_ear(mosquitto.port) as ear, telling(mosquitto.port) as telemetry:
        telemetry.publish_symbol(a_symbol())
        until(lambda: ear.of("sensorium/kitchen/symbol"))

    said = ear.of("sensorium/kitchen/symbol")[0]
    assert (said["concept"], said["confidence"], said["modalities"]) == ("greeting", 0.91, ["gesture"])


def test_an_episode_is_told_when_it_begins_and_is_not_kept(mosquitto: Broker) -> None:
    with an_ear(mosquitto.port) as ear, telling(mosquitto.port) as telemetry:
        telemetry.publish_episode(an_episode())
        until(lambda: ear.of("sensorium/kitchen/episode"))

    said = ear.of("sensorium/kitchen/episode")[0]
    assert (said["phase"], said["concept"], said["id"]) == ("new", "greeting", "s.0")
    with an_ear(mosquitto.port) as later, telling(mosquitto.port):
        until(lambda: later.of("sensorium/kitchen/state"))
    assert later.of("sensorium/kitchen/episode") == []


def test_a_device_is_online_then_offline(mosquitto: Broker) -> None:
    with an_ear(mosquitto.port) as ear:
        with telling(mosquitto.port):
            until(lambda: ear.of("sensorium/kitchen/state") == ["online"])
        until(lambda: ear.of("sensorium/kitchen/state") == ["online", "offline"])


DYING = """
import sys, threading
from sensorium_agent._app.telemetry import Telemetry
Telemetry("kitchen", host="127.0.0.1", port=int(sys.argv[1])).start()
threading.Event().wait(60)
"""


def test_a_device_that_is_killed_is_offline_by_its_last_will(mosquitto: Broker) -> None:
    with an_ear(mosquitto.port) as ear:
        process = subprocess.Popen([sys.executable, "-c", DYING, str(mosquitto.port)])
        try:
            until(lambda: ear.of("sensorium/kitchen/state") == ["online"])
        finally:
            process.kill()
            process.wait()
        until(lambda: ear.of("sensorium/kitchen/state") == ["online", "offline"])


def test_what_was_said_without_the_broker_comes_when_it_is_back(
    mosquitto: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO), telling(mosquitto.port) as telemetry:
        with an_ear(mosquitto.port) as ear:
            telemetry.publish_symbol(a_symbol(0))
            until(lambda: len(ear.of("sensorium/kitchen/symbol")) == 1)
        mosquitto.kill()
        until(lambda: "telemetry.down" in caplog.text)
        for number in range(1, 50):
            telemetry.publish_symbol(a_symbol(number))
        mosquitto.start()
        with an_ear(mosquitto.port) as ear:
            until(lambda: len({s["id"] for s in ear.of("sensorium/kitchen/symbol")}) >= 1)
            until(lambda: ear.of("sensorium/kitchen/symbol")[-1]["id"] == "s.49", within_s=30)

    assert telemetry.dropped == 0
    changes = [r.getMessage().split()[0] for r in caplog.records if r.name.endswith("telemetry")]
    assert changes == ["telemetry.up", "telemetry.down", "telemetry.up"]


def test_home_assistant_is_told_again_when_it_has_started_anew(mosquitto: Broker) -> None:
    topic = "homeassistant/device/sensorium_kitchen/config"
    with an_ear(mosquitto.port) as ear, telling(mosquitto.port):
        until(lambda: len(ear.of(topic)) == 1)
        ear.client.publish("homeassistant/status", "online", qos=1)
        until(lambda: len(ear.of(topic)) == 2)
        until(lambda: len(ear.of("sensorium/kitchen/state")) == 2)


def test_health_is_what_the_agent_told_so_far(mosquitto: Broker) -> None:
    with an_ear(mosquitto.port) as ear, telling(mosquitto.port) as telemetry:
        telemetry.publish_health({"kind": "sensor", "name": "camera", "state": "down", "detail": "unplugged"})
        telemetry.publish_symbol(a_symbol())
        telemetry.publish_health({"kind": "drops", "inlets": {"video": 3}, "sensors": {"camera": 7}})
        until(lambda: any("drops" in h for h in ear.of("sensorium/kitchen/health")))

    health = next(h for h in ear.of("sensorium/kitchen/health") if "drops" in h)
    assert health["sensors"]["camera"] == {"state": "down", "detail": "unplugged"}
    assert health["drops"] == {"inlets": {"video": 3}, "sensors": {"camera": 7}}
    assert health["link"] == "down"
    assert health["windows"] == 1
    assert health["telemetry_dropped"] == 0


def test_what_is_taught_while_it_runs_becomes_a_kind_of_event(mosquitto: Broker) -> None:
    config = "homeassistant/device/sensorium_kitchen/config"
    with an_ear(mosquitto.port) as ear, telling(mosquitto.port, concepts=["stop"]) as telemetry:
        telemetry.publish_health({"kind": "taught", "signs": ["spock"], "concepts": ["greet", "stop"]})
        until(lambda: len(ear.of(config)) > 1)

    assert ear.of(config)[-1]["components"]["meant"]["event_types"] == ["stop", "greet"]


# --- without one -------------------------------------------------------------------------


def test_without_a_broker_the_oldest_give_way_and_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    with telling(free_port(), waiting=10) as telemetry:
        for number in range(25):
            telemetry.publish_symbol(a_symbol(number))
        until(lambda: "telemetry.down" in caplog.text)

    assert telemetry.dropped == 15
    assert len([r for r in caplog.records if r.name.endswith("telemetry")]) == 1


def test_a_wrong_password_is_one_clear_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with broker(tmp_path, password="right") as strict:
        with telling(strict.port, username="agent", password="wrong"):
            until(lambda: "telemetry.refused" in caplog.text)
        told = [r.getMessage() for r in caplog.records if r.name.endswith("telemetry")]

    assert len(told) == 1
    assert "SENSORIUM_MQTT_PASSWORD" in told[0]
    assert "wrong" not in told[0]


def test_the_right_password_is_let_in(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with (
        broker(tmp_path, password="right") as strict,
        caplog.at_level(logging.INFO),
        telling(strict.port, username="agent", password="right"),
    ):
        until(lambda: "telemetry.up" in caplog.text)


# --- in private --------------------------------------------------------------------------


@pytest.fixture
def private(tmp_path: Path) -> Iterator[Broker]:
    with broker(tmp_path, keys=make_keys(tmp_path)) as started:
        yield started


def told_by(mqtt: Mqtt, standing: str, caplog: pytest.LogCaptureFixture) -> str:
    """The one line that a device with such settings logs."""
    with caplog.at_level(logging.INFO), telling(mqtt.port, tls=context(mqtt)):
        until(lambda: f"telemetry.{standing}" in caplog.text)
    (told,) = [r.getMessage() for r in caplog.records if r.name.endswith("telemetry")]
    return told


def test_a_broker_of_an_authority_of_our_own_is_trusted(private: Broker, caplog: pytest.LogCaptureFixture) -> None:
    ours = Mqtt(host="127.0.0.1", port=private.port, tls=True, ca=str(private.folder / "certificate.pem"))

    told_by(ours, "up", caplog)
    assert network.broker(ours).state == "ok"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # paho leaves its socket unclosed
def test_a_broker_that_nobody_we_trust_vouches_for_is_one_clear_line(
    private: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    theirs = Mqtt(host="127.0.0.1", port=private.port, tls=True)

    assert "certificate is not trusted (self-signed certificate); set [mqtt] ca" in told_by(theirs, "refused", caplog)
    assert "set [mqtt] ca" in network.broker(theirs).way_out


def test_a_broker_that_hangs_up_before_it_answers_is_one_clear_line(
    private: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    in_the_clear = Mqtt(host="127.0.0.1", port=private.port)

    assert "hangs up before it answers; check [mqtt] tls" in told_by(in_the_clear, "down", caplog)


def test_a_broker_whose_name_nobody_knows_is_one_clear_line() -> None:
    assert way_out(socket.gaierror(-2, "Name or service not known")) == "nobody knows this name; check [mqtt] host"


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"ca": "none.pem"}, r"mqtt\.ca: .*none\.pem: No such file"),
        ({"ca": "key.pem"}, r"mqtt\.ca: .*key\.pem: NO_CERTIFICATE"),
        ({"certificate": "certificate.pem"}, r"mqtt\.key is missing"),
        ({"certificate": "certificate.pem", "key": "certificate.pem"}, r"mqtt\.certificate: .*; name a certificate"),
    ],
)
def test_a_key_that_cannot_be_used_is_found_before_anybody_is_asked(
    tmp_path: Path, files: dict[str, str], says: str
) -> None:
    make_keys(tmp_path)
    paths = {name: str(tmp_path / file) for name, file in files.items()}
    named = msgspec.structs.replace(Mqtt(host="127.0.0.1", tls=True), **paths)

    with pytest.raises(BrokerKeysError, match=says):
        context(named)
    assert network.broker(named).state == "fail"


# --- beside ------------------------------------------------------------------------------


def test_temperature_is_told_where_the_kernel_knows_it(tmp_path: Path) -> None:
    (tmp_path / "temp").write_text("48312\n")

    assert temperature_c(tmp_path / "temp") == pytest.approx(48.312)
    assert temperature_c(tmp_path / "none") is None
