"""Symbols, episodes and health over MQTT, from a thread of its own; the agent works the same without a broker.

What cannot be sent waits in a bounded queue whose oldest entries give way; each drop is counted. What
paho itself holds is bounded too: no more is handed to it than may be under way at once.
"""

from __future__ import annotations

import logging
import socket
import ssl
import sys
import threading
from collections import deque
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final, Self

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from sensorium.episode import Episode
from sensorium.symbol import Symbol
from sensorium_agent._app import mqtt_messages as messages
from sensorium_agent._app.broker_tls import HUNG_UP, way_out
from sensorium_agent._app.mqtt_messages import Health, Message

log = logging.getLogger(__name__)

_UNDER_WAY: Final = 20
_WAITING: Final = 256
"""Two minutes of symbols at two windows a second."""
_KEEPALIVE_S: Final = 20
_RETRY_S: Final = (1, 30)
_FAREWELL_S: Final = 1.0
_THERMAL: Final = Path("/sys/class/thermal/thermal_zone0/temp")


class Telemetry:
    """A device's voice on MQTT 5. Publishing never blocks and never fails.

    Args:
        device: part of the topics; letters, digits, "-" and "_".
        host: the broker.
        port: its port.
        username: empty for none.
        password: goes with it.
        tls: what the link is kept private with; None in the clear.
        discovery_prefix: Home Assistant's; empty for no discovery.
        concepts: what its episodes may mean, for Home Assistant; what is taught meanwhile is added.
        linked: whether the device has a cloud to ask.
        health_every_s: health is told again so often.
        waiting: messages that may wait for the broker.
    """

    def __init__(
        self,
        device: str,
        *,
        host: str,
        port: int = 1883,
        username: str = "",
        password: str = "",
        tls: ssl.SSLContext | None = None,
        discovery_prefix: str = "homeassistant",
        concepts: Sequence[str] = (),
        linked: bool = True,
        health_every_s: float = 30.0,
        waiting: int = _WAITING,
    ) -> None:
        self._device = device
        self._address = (host, port)
        self._prefix = discovery_prefix
        self._concepts = tuple(concepts)
        self._linked = linked
        self._health_every_s = health_every_s
        self._waiting: deque[Symbol | Episode | Message | Health] = deque()
        self._room = waiting
        self._dropped = 0
        self._health: dict[str, Any] = {"link": "down"} if linked else {}
        self._standing = ""
        self._connected = False
        self._under_way: list[paho.MQTTMessageInfo] = []
        self._stopping = False
        self._change = threading.Condition()
        self._client = self._made(username, password, tls)
        self._thread = threading.Thread(target=self._run, name="telemetry", daemon=True)

    @property
    def dropped(self) -> int:
        """Messages that gave way to newer ones."""
        return self._dropped

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Connect in the background, for as long as it takes."""
        self._client.connect_async(*self._address, keepalive=_KEEPALIVE_S)
        self._client.loop_start()
        self._thread.start()

    def publish_symbol(self, symbol: Symbol) -> None:
        """Tell one symbol revision."""
        self._put(symbol)

    def publish_episode(self, episode: Episode) -> None:
        """Tell one phase of an episode."""
        self._put(episode)

    def publish(self, topic: str, payload: str, *, retain: bool = False) -> None:
        """Tell what a rule says."""
        self._put(Message(topic, payload.encode(), qos=1, retain=retain))

    def publish_health(self, status: Health) -> None:
        """Tell what changed in the device's health; see `mqtt_messages.after_status`."""
        self._put(dict(status))

    def stop(self) -> None:
        """Say what still waits, if the broker is there, then goodbye."""
        with self._change:
            self._stopping = True
            self._change.notify_all()
        self._thread.join(_FAREWELL_S)
        if self._connected:
            self._publish(messages.state(self._device, messages.OFFLINE), wait_s=_FAREWELL_S)
        self._client.disconnect()
        self._client.loop_stop()

    def _put(self, what: Symbol | Episode | Message | Health) -> None:
        with self._change:
            if len(self._waiting) >= self._room:
                self._waiting.popleft()
                self._dropped += 1
            self._waiting.append(what)
            self._change.notify_all()

    # --- the telemetry thread ------------------------------------------------------------

    def _run(self) -> None:
        while True:
            with self._change:
                self._change.wait_for(self._something_to_do, self._health_every_s)
                ready = [self._waiting.popleft() for _ in range(self._allowed())]
                last = self._stopping and (not self._waiting or not self._connected)
            for what in ready:
                self._say(what)
            if not ready and self._connected:
                self._publish(self._health_message())
            if last:
                return

    def _something_to_do(self) -> bool:
        return self._stopping or self._allowed() > 0

    def _allowed(self) -> int:
        """How many messages may be handed to paho now."""
        self._under_way = [told for told in self._under_way if not told.is_published()]
        return min(len(self._waiting), max(0, _UNDER_WAY - len(self._under_way))) if self._connected else 0

    def _say(self, what: Symbol | Episode | Message | Health) -> None:
        if isinstance(what, Symbol):
            self._health = messages.after_symbol(self._health, what)
            self._publish(messages.symbol(self._device, what))
        elif isinstance(what, Episode):
            self._publish(messages.episode(self._device, what))
        elif isinstance(what, Message):
            self._publish(what)
        else:
            self._health = messages.after_status(self._health, what)
            self._publish(self._health_message())
            if what.get("kind") == "taught":
                self._concepts = tuple(dict.fromkeys([*self._concepts, *what["concepts"]]))
                self._introduce()

    def _health_message(self) -> Message:
        return messages.health(
            self._device, {**self._health, "telemetry_dropped": self._dropped, "temperature_c": temperature_c()}
        )

    def _publish(self, message: Message, *, wait_s: float = 0.0) -> None:
        # Not under our lock: paho calls `_on_publish` under its own.
        told = self._client.publish(message.topic, message.payload, message.qos, message.retain)
        if told.rc != paho.MQTT_ERR_SUCCESS:
            return
        with self._change:
            if message.qos:
                self._under_way.append(told)
        if wait_s:
            told.wait_for_publish(wait_s)

    # --- paho's thread -------------------------------------------------------------------

    def _made(self, username: str, password: str, tls: ssl.SSLContext | None) -> paho.Client:
        client = paho.Client(CallbackAPIVersion.VERSION2, f"sensorium-{self._device}", protocol=paho.MQTTv5)
        if username:
            client.username_pw_set(username, password or None)
        if tls is not None:
            client.tls_set_context(tls)
        client.reconnect_delay_set(*_RETRY_S)
        client.max_inflight_messages_set(_UNDER_WAY)
        client.will_set(messages.state_topic(self._device), messages.OFFLINE, qos=1, retain=True)
        client.on_socket_open = _without_delay
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        return client

    def _on_connect(self, client: paho.Client, _data: Any, _flags: Any, reason: ReasonCode, _more: Any) -> None:
        if reason.is_failure:
            self._stand("refused", f"{reason}; check [mqtt] username and SENSORIUM_MQTT_PASSWORD")
            return
        self._stand("up")
        if self._prefix:
            client.subscribe(messages.birth_topic(self._prefix), qos=1)
        self._introduce()
        with self._change:
            self._connected = True
            self._change.notify_all()

    def _introduce(self) -> None:
        if self._prefix:
            self._publish(
                messages.discovery(self._device, self._prefix, _version(), self._concepts, linked=self._linked)
            )
        self._publish(messages.state(self._device, messages.ONLINE))

    def _on_connect_fail(self, _client: paho.Client, _data: Any) -> None:
        error = sys.exception()  # paho calls this where it has caught it, and tells no reason
        self._stand("refused" if isinstance(error, ssl.SSLError) else "down", way_out(error))

    def _on_disconnect(self, _client: paho.Client, _data: Any, _flags: Any, reason: ReasonCode, _more: Any) -> None:
        with self._change:
            self._connected = False
        if self._stopping:
            return
        if self._standing == "up":
            self._stand("down", f"the broker hung up ({reason}); trying again")
        elif not self._standing:
            self._stand("down", HUNG_UP)

    def _on_publish(self, _client: paho.Client, _data: Any, _mid: int, _reason: ReasonCode, _more: Any) -> None:
        with self._change:
            self._change.notify_all()

    def _on_message(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        """Home Assistant has started anew and has forgotten us, unless the broker kept our words."""
        if message.payload == messages.ONLINE and not message.retain:
            self._introduce()
            self.publish_health({"kind": "birth"})

    def _stand(self, standing: str, reason: str = "") -> None:
        """One log line a change."""
        if standing == self._standing:
            return
        self._standing = standing
        level = logging.INFO if standing == "up" else logging.WARNING
        log.log(level, "telemetry.%s broker=%s:%d %s", standing, *self._address, reason)


def _without_delay(_client: paho.Client, _data: Any, sock: Any) -> None:
    """Nagle's algorithm would hold a symbol back until the broker acknowledges the one before."""
    if isinstance(sock, socket.socket):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def temperature_c(path: Path = _THERMAL) -> float | None:
    """The processor's temperature, where the kernel tells it."""
    try:
        return int(path.read_text()) / 1000
    except (OSError, ValueError):
        return None


def _version() -> str:
    try:
        return version("sensorium")
    except PackageNotFoundError:
        return "unknown"
