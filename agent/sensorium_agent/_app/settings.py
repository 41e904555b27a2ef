"""What a user may set. Read once, checked at start, passed down in pieces.

`docs/config.md` and ``sensorium validate --schema`` are made from these types; ``systemd/agent.toml``
shows every key.
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from sensorium.event import Modality
from sensorium.settings import SettingsError, decode
from sensorium_agent.offload import Egress

Positive = Annotated[int, Meta(gt=0)]
Port = Annotated[int, Meta(ge=1, le=65535)]
Share = Annotated[float, Meta(ge=0, le=1)]


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the file: unknown keys are errors."""


class Device(_Table, frozen=True, kw_only=True):
    """Who this device is."""

    name: str = ""
    """Letters, digits, "-" and "_"; the host's name if empty."""


class Camera(_Table, frozen=True, kw_only=True):
    """A camera: its pictures become video and gesture events."""

    source: str = "0"
    """Number, /dev/video*, video file, rtsp:// or http:// address."""
    fps: Annotated[float, Meta(gt=0, le=120)] = 15.0
    """Pictures a second that are looked at."""
    gestures: bool = True
    """Look for hands."""
    keyframe_every_s: Annotated[float, Meta(gt=0)] = 5.0
    """At least this often a still scene gives a keyframe."""


class Microphone(_Table, frozen=True, kw_only=True):
    """A microphone: speech and wake words."""

    source: str = "default"
    """"default", a number or part of a name from `sensorium devices`."""


class TextInput(_Table, frozen=True, kw_only=True):
    """Where written words come from."""

    source: str = "-"
    """"-" for standard input, or a file that grows."""


class Touch(_Table, frozen=True, kw_only=True):
    """A touch pad or screen."""

    source: str
    """For example /dev/input/event4; see `sensorium devices`."""


class Pulse(_Table, frozen=True, kw_only=True):
    """A pulse sensor (photoplethysmogram)."""

    source: str
    """A file or pipe that grows by one value a line."""
    rate_hz: Annotated[float, Meta(gt=0, le=2000)] = 100.0
    """Values a second."""


class Windows(_Table, frozen=True, kw_only=True):
    """How events are joined."""

    span_ms: Positive = 500
    """Length of a window."""
    hop_ms: Annotated[int, Meta(ge=0)] = 0
    """From one window's start to the next; 0 for the span."""
    cap_ms: Annotated[int, Meta(ge=0)] = 300
    """How long after its end a window may wait for a modality."""
    lateness_ms: Annotated[int, Meta(ge=0)] = 2000
    """How long an event may still amend its window."""
    stale_ms: Annotated[int, Meta(ge=0)] = 2000
    """How long a modality's last event still counts."""
    idle_ms: Positive = 1000
    """After this much silence a modality holds nothing up."""


class Fusion(_Table, frozen=True, kw_only=True):
    """How windows become symbols on the device."""

    concepts: str = ""
    """A concepts file of your own; the built-in one if empty."""


class Cloud(_Table, frozen=True, kw_only=True):
    """The fusion service; without this table everything stays here."""

    target: str
    """host:port."""
    policy: Literal["always", "unsure", "never"] = "always"
    """Which windows are sent."""
    floor: Share = 0.8
    """With "unsure": symbols below this confidence are sent."""
    tls: bool = False
    """Speak TLS; always on a network you do not own."""
    ca: str = ""
    """Certificate authority, PEM file; the system's if empty."""
    certificate: str = ""
    """This device's certificate, PEM file, for mutual TLS."""
    key: str = ""
    """This device's key, PEM file."""
    bytes_per_s: Annotated[int, Meta(ge=0)] = 0
    """Average budget of the link; 0 for no limit."""


class Spool(_Table, frozen=True, kw_only=True):
    """Where windows wait on disk until the cloud has them."""

    directory: str = ""
    """/var/lib/sensorium/spool or the user's state folder if empty."""
    max_mb: Positive = 64
    """Largest size; the oldest windows give way."""


class Mqtt(_Table, frozen=True, kw_only=True):
    """Telemetry; without this table none is sent."""

    host: str
    """The broker."""
    port: Port = 1883
    """Its port."""
    username: str = ""
    """Empty for none."""
    password: str = ""
    """Better in the environment: SENSORIUM_MQTT_PASSWORD."""
    tls: bool = False
    """Speak TLS."""
    discovery_prefix: str = "homeassistant"
    """Home Assistant's; empty for no discovery."""


class Models(_Table, frozen=True, kw_only=True):
    """How local models run."""

    threads: Annotated[int, Meta(ge=1, le=16)] = 1
    """Threads of each model."""


class Log(_Table, frozen=True, kw_only=True):
    """What is written to the journal."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least important level that is written."""


class Settings(_Table, frozen=True, kw_only=True):
    """The agent's file. Every table may be left out; a sensor without a table is not used."""

    device: Device = Device()
    camera: Camera | None = None
    microphone: Microphone | None = None
    text: TextInput | None = None
    touch: Touch | None = None
    pulse: Pulse | None = None
    windows: Windows = Windows()
    fusion: Fusion = Fusion()
    cloud: Cloud | None = None
    egress: dict[Modality, Egress] = {}
    """For each modality what may leave the device: "none", "labels", "features" or "media"."""
    spool: Spool = Spool()
    mqtt: Mqtt | None = None
    models: Models = Models()
    log: Log = Log()

    @property
    def device_name(self) -> str:
        """The device's name, fit for topics and addresses."""
        return re.sub(r"[^A-Za-z0-9_-]+", "-", self.device.name or platform.node()) or "sensorium"

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """What the configured sensors can tell."""
        found = {
            Modality.VIDEO: self.camera is not None,
            Modality.AUDIO: self.microphone is not None,
            Modality.TEXT: self.text is not None,
            Modality.GESTURE: self.camera is not None and self.camera.gestures,
            Modality.HAPTIC: self.touch is not None,
            Modality.BIOMETRIC: self.pulse is not None,
        }
        return tuple(m for m in Modality if found[m])

    @property
    def spool_directory(self) -> Path:
        """Where the spool lies."""
        if self.spool.directory:
            return Path(self.spool.directory)
        state = os.environ.get("STATE_DIRECTORY") or os.environ.get("XDG_STATE_HOME")
        return (Path(state) if state else Path.home() / ".local" / "state") / "sensorium" / "spool"


SECRETS: Mapping[str, tuple[str, str]] = {
    "SENSORIUM_MQTT_PASSWORD": ("mqtt", "password"),
    "SENSORIUM_MQTT_USERNAME": ("mqtt", "username"),
    "SENSORIUM_CLOUD_KEY": ("cloud", "key"),
}
"""Environment variables that override a key of the file, so that secrets need not stand in it."""


def read(path: Path, environment: Mapping[str, str]) -> Settings:
    """The settings in ``path``, secrets taken from the environment where it has them.

    Raises:
        SettingsError: the file cannot be read, or something in it is wrong; one line.
    """
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8 text"
        raise SettingsError(str(path), "", f"{reason}; name another file with --config") from error
    return overridden(decode(text, Settings, where=str(path)), environment)


def overridden(settings: Settings, environment: Mapping[str, str]) -> Settings:
    """``settings`` with the secrets the environment brings, for the tables that are in use."""
    for variable, (table, key) in SECRETS.items():
        part = getattr(settings, table)
        if part is not None and variable in environment:
            changed = msgspec.structs.replace(part, **{key: environment[variable]})
            settings = msgspec.structs.replace(settings, **{table: changed})
    return settings
