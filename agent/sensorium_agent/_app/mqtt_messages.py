"""What is said over MQTT, and where: symbols, episodes and health, never media. Pure.

Topics are ``sensorium/{device}/symbol``, ``.../episode``, ``.../health`` and ``.../state``; Home Assistant finds
the device by one message (its "device discovery", since 2024.11) and needs no other set-up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import msgspec

from sensorium.episode import Episode
from sensorium.lines import episode_told
from sensorium.symbol import Revision, Symbol

ONLINE: Final = b"online"
OFFLINE: Final = b"offline"

_encode = msgspec.json.Encoder(enc_hook=str, order="deterministic").encode

Health = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Message:
    """One thing to publish.

    Attributes:
        qos: 1 for what must arrive, 0 for what the next one replaces.
        retain: whether the broker keeps it for who comes later.
    """

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False


def state_topic(device: str) -> str:
    """Where the device is online or offline."""
    return f"sensorium/{device}/state"


def state(device: str, payload: bytes) -> Message:
    """Whether the device is there; its last will says `OFFLINE`."""
    return Message(state_topic(device), payload, qos=1, retain=True)


def symbol(device: str, symbol: Symbol) -> Message:
    """One symbol revision, as JSON; retained, so that who comes later knows the last one."""
    said = {
        "id": symbol.id,
        "session": symbol.session_id,
        "revision": symbol.revision,
        "window_revision": symbol.window_revision,
        "concept": symbol.concept,
        "content": symbol.content,
        "abstained": symbol.abstained,
        "confidence": round(symbol.confidence, 4),
        "modalities": list(symbol.modalities),
        "domains": list(symbol.domains),
        "alternatives": {h.concept: round(h.probability, 4) for h in symbol.alternatives},
        "entropy_bits": round(symbol.entropy.posterior, 4),
        "latency_ms": {stage.name: round(stage.ms, 2) for stage in symbol.latency},
        "start_ns": symbol.start_ns,
        "end_ns": symbol.end_ns,
        "processed_on": symbol.provenance.processed_on,
    }
    return Message(f"sensorium/{device}/symbol", _encode(said), qos=1, retain=True)


def episode(device: str, episode: Episode) -> Message:
    """What a person meant begins, changes or ends; not retained: it is told when it happens."""
    return Message(f"sensorium/{device}/episode", _encode(episode_told(episode)), qos=1)


def health(device: str, health: Health) -> Message:
    """How the device is."""
    return Message(f"sensorium/{device}/health", _encode(health), qos=0, retain=True)


# --- health ------------------------------------------------------------------------------


def after_status(health: Health, status: Mapping[str, Any]) -> dict[str, Any]:
    """Health after a status event: sensors and the link by their own entries, any other under its kind.

    ``status`` has a ``kind``: ``sensor`` (``name``, ``state``, ``detail``), ``link`` (``up``, true or false), or
    any other of the status lines.
    """
    told = {key: value for key, value in status.items() if key != "kind"}
    match str(status.get("kind")):
        case "sensor":
            now = {"state": told.get("state"), "detail": told.get("detail", "")}
            return {**health, "sensors": {**health.get("sensors", {}), str(told.get("name")): now}}
        case "link":
            return {**health, "link": "up" if told.get("up") else "down"}
        case kind:
            return {**health, kind: told}


def after_symbol(health: Health, symbol: Symbol) -> dict[str, Any]:
    """Health after a symbol: windows answered by the device, and answers of the cloud."""
    by_cloud = symbol.revision is Revision.CLOUD
    counted = "refined" if by_cloud else "windows"
    return {**health, counted: health.get(counted, 0) + 1, **({"link": "up"} if by_cloud else {})}


# --- Home Assistant ----------------------------------------------------------------------

_CONCEPT: Final = "{{ value_json.concept or value_json.abstained }}"
_BEGUN: Final = (
    "{% if value_json.phase == 'new' %}"
    '{{ {"event_type": value_json.concept, "confidence": value_json.confidence, "id": value_json.id} | to_json }}'
    "{% endif %}"
)
_ANY_DOWN: Final = (
    "{{ 'ON' if (value_json.sensors | default({})).values() | selectattr('state', 'eq', 'down') | list else 'OFF' }}"
)


def birth_topic(prefix: str) -> str:
    """Where Home Assistant says that it has started."""
    return f"{prefix}/status"


def discovery(device: str, prefix: str, version: str, concepts: Sequence[str] = (), *, linked: bool = True) -> Message:
    """Everything Home Assistant has to know about the device, in one retained message.

    ``concepts`` are what its episodes may mean; ``linked`` is a device that has a cloud to ask.
    Source: home-assistant.io/integrations/mqtt, "Device discovery payload".
    """
    components = _components(device, concepts)
    if not linked:
        del components["link"]
    said = {
        "device": {
            "identifiers": [f"sensorium_{device}"],
            "name": device,
            "manufacturer": "Sensorium",
            "model": "Sensorium agent",
            "sw_version": version,
        },
        "origin": {"name": "sensorium", "sw_version": version},
        "components": {key: _component(device, key, part) for key, part in components.items()},
    }
    return Message(f"{prefix}/device/sensorium_{device}/config", _encode(said), qos=1, retain=True)


def _component(device: str, key: str, part: Mapping[str, Any]) -> dict[str, Any]:
    common = {"unique_id": f"sensorium_{device}_{key}", "availability_topic": state_topic(device), "qos": 1}
    return common | dict(part)


def _components(device: str, concepts: Sequence[str]) -> dict[str, dict[str, Any]]:
    symbols, healths = f"sensorium/{device}/symbol", f"sensorium/{device}/health"
    diagnostic = {"state_topic": healths, "entity_category": "diagnostic"}
    figures = {key: diagnostic | dict(part) for key, part in _FIGURES.items()}
    meant = {"meant": _meant(f"sensorium/{device}/episode", concepts)} if concepts else {}
    return (
        _answers(symbols)
        | meant
        | figures
        | {"sensors": diagnostic | dict(_SENSORS) | {"json_attributes_topic": healths}}
    )


def _answers(symbols: str) -> dict[str, dict[str, Any]]:
    return {
        "concept": {
            "platform": "sensor",
            "name": "Concept",
            "icon": "mdi:head-lightbulb-outline",
            "state_topic": symbols,
            "value_template": _CONCEPT,
            "json_attributes_topic": symbols,
        },
        "confidence": {
            "platform": "sensor",
            "name": "Confidence",
            "state_topic": symbols,
            "value_template": "{{ (value_json.confidence * 100) | round(1) }}",
            "unit_of_measurement": "%",
            "state_class": "measurement",
        },
    }


def _meant(episodes: str, concepts: Sequence[str]) -> dict[str, Any]:
    """An event entity: it fires once for each thing that is meant, when it begins."""
    return {
        "platform": "event",
        "name": "Meant",
        "icon": "mdi:gesture-tap-button",
        "state_topic": episodes,
        "event_types": list(concepts),
        "value_template": _BEGUN,
    }


_FIGURES: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "windows": {
            "platform": "sensor",
            "name": "Windows",
            "value_template": "{{ value_json.windows | default(0) }}",
            "state_class": "total_increasing",
        },
        "dropped": {
            "platform": "sensor",
            "name": "Telemetry dropped",
            "value_template": "{{ value_json.telemetry_dropped | default(0) }}",
            "state_class": "total_increasing",
        },
        "temperature": {
            "platform": "sensor",
            "name": "Temperature",
            "value_template": "{{ value_json.temperature_c | default(none) }}",
            "device_class": "temperature",
            "unit_of_measurement": "°C",
            "state_class": "measurement",
        },
        "link": {
            "platform": "binary_sensor",
            "name": "Cloud",
            "value_template": "{{ 'ON' if value_json.link == 'up' else 'OFF' }}",
            "device_class": "connectivity",
        },
    }
)
_SENSORS: Final[Mapping[str, Any]] = MappingProxyType(
    {"platform": "binary_sensor", "name": "Sensors", "value_template": _ANY_DOWN, "device_class": "problem"}
)
