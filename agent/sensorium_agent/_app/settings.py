"""What a user may set. Read once, checked at start, passed down in pieces.

``sensorium validate --schema`` is made from these types; ``systemd/agent.toml`` shows every key.
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from sensorium.event import Modality
from sensorium.settings import SettingsError, decode, read_text
from sensorium_agent.infer.runtime.accelerate import Accelerator, AcceleratorUnknown
from sensorium_agent.infer.sound.keyword import KEYWORDS, THRESHOLD, Keyword
from sensorium_agent.offload import Egress

Positive = Annotated[int, Meta(gt=0)]
Port = Annotated[int, Meta(ge=1, le=65535)]
Share = Annotated[float, Meta(ge=0, le=1)]


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the file: unknown keys are errors."""


class Device(_Table, frozen=True, kw_only=True):
    """Who this device is."""

    name: Annotated[str, Meta(description="letters, digits, - and _; the host's name if empty")] = ""


class Camera(_Table, frozen=True, kw_only=True):
    """A camera: its pictures become video and gesture events."""

    source: Annotated[str, Meta(description="number, /dev/video*, video file, rtsp:// or http:// address")] = "0"
    fps: Annotated[float, Meta(gt=0, le=120, description="pictures a second that are looked at")] = 15.0
    gestures: Annotated[bool, Meta(description="look for hands")] = True
    keyframe_every_s: Annotated[float, Meta(gt=0, description="at least this often a still scene gives a keyframe")] = (
        5.0
    )


class Microphone(_Table, frozen=True, kw_only=True):
    """A microphone: speech, wake words and spoken commands."""

    source: Annotated[str, Meta(description='"default", a number or part of a name from `sensorium devices`')] = (
        "default"
    )
    keywords: Annotated[tuple[Keyword, ...], Meta(description="the commands listened for; none costs nothing")] = (
        KEYWORDS
    )
    wake_s: Annotated[
        float, Meta(ge=0, le=3600, description="how long after a wake word commands count; 0 for always")
    ] = 8.0
    keyword_threshold: Annotated[Share, Meta(description="probability from which a command counts")] = THRESHOLD
    grammar: Annotated[
        str | tuple[str, ...],
        Meta(description="sentences heard after a wake word: a JSGF file, or phrases; extra grammar"),
    ] = ()
    clips: Annotated[
        bool, Meta(description='the cloud hears what is said after a wake word; needs egress.audio = "media"')
    ] = False


class TextInput(_Table, frozen=True, kw_only=True):
    """Where written words come from."""

    source: Annotated[str, Meta(description='"-" for standard input, or a file that grows')] = "-"


class Touch(_Table, frozen=True, kw_only=True):
    """A touch pad or screen."""

    source: Annotated[str, Meta(description="for example /dev/input/event4; see `sensorium devices`")]
    long_press_ms: Annotated[Positive, Meta(description="a finger that rests so long presses; less is a tap")] = 500
    double_tap_ms: Annotated[Positive, Meta(description="from one tap's end to the next, at most")] = 300
    swipe: Annotated[float, Meta(gt=0, le=1, description="how long a swipe is at least, in widths of the pad")] = 0.06
    swipe_speed: Annotated[float, Meta(gt=0, description="how fast it is at least, in widths a second")] = 0.2
    strokes: Annotated[str, Meta(description="file of the strokes you taught; the user's own if empty")] = ""


class Pulse(_Table, frozen=True, kw_only=True):
    """A pulse sensor: a raw photoplethysmogram, or the intervals between beats."""

    source: Annotated[str, Meta(description="a file or pipe that grows by one value a line")]
    signal: Annotated[Literal["pulse", "rr"], Meta(description="raw pulse, or intervals between beats in ms")] = "pulse"
    rate_hz: Annotated[float, Meta(gt=0, le=2000, description="values a second; intervals have none")] = 100.0
    low_bpm: Annotated[float, Meta(gt=0, description="a heart rate below is called low")] = 50.0
    high_bpm: Annotated[float, Meta(gt=0, description="a heart rate above is called high")] = 100.0


class Skin(_Table, frozen=True, kw_only=True):
    """A sensor of skin conductance."""

    source: Annotated[str, Meta(description="a file or pipe that grows by one value in microsiemens a line")]
    rate_hz: Annotated[float, Meta(gt=0, le=2000, description="values a second")] = 4.0


class Companion(_Table, frozen=True, kw_only=True):
    """Other devices that send what they sense: a phone, a watch, another board."""

    listen: Annotated[str, Meta(pattern=r"^.+:\d{1,5}$", description="host:port; port 0 for any that is free")] = (
        "127.0.0.1:50052"
    )
    modalities: Annotated[tuple[Modality, ...], Meta(min_length=1, description="the senses taken from them")] = (
        Modality.TEXT,
        Modality.HAPTIC,
        Modality.BIOMETRIC,
    )
    token: Annotated[str, Meta(description="what they have to know; better in SENSORIUM_COMPANION_TOKEN")] = ""
    certificate: Annotated[str, Meta(description="this agent's certificate, PEM file, for TLS")] = ""
    key: Annotated[str, Meta(description="its key, PEM file")] = ""


class Windows(_Table, frozen=True, kw_only=True):
    """How events are joined; docs/time.md tells how to choose."""

    kind: Annotated[
        Literal["hop", "session", "pair"], Meta(description="windows of one length, of activity, or around a pivot")
    ] = "hop"
    cap_ms: Annotated[
        int, Meta(ge=0, le=60_000, description="how long a window may wait: answers sooner, or more complete")
    ] = 300
    span_ms: Annotated[Positive, Meta(description="hop: length of a window")] = 500
    hop_ms: Annotated[int, Meta(ge=0, description="hop: from one window's start to the next; 0 for the span")] = 0
    gap_ms: Annotated[Positive, Meta(description="session: silence that ends it")] = 1000
    longest_ms: Annotated[Positive, Meta(description="session: it ends after this, whatever goes on")] = 5000
    pivot: Annotated[Modality, Meta(description="pair: the modality around whose events windows are made")] = (
        Modality.GESTURE
    )
    tolerance_ms: Annotated[Positive, Meta(description="pair: how far from the pivot an event may be")] = 20
    lateness_ms: Annotated[int, Meta(ge=0, description="how long an event may still amend its window")] = 2000
    stale_ms: Annotated[int, Meta(ge=0, description="how long a modality's last event still counts")] = 2000
    idle_ms: Annotated[Positive, Meta(description="after this much silence a modality holds nothing up")] = 1000


class Fusion(_Table, frozen=True, kw_only=True):
    """How windows become symbols on the device."""

    concepts: Annotated[str, Meta(description="a concepts file of your own; the built-in one if empty")] = ""
    by: Annotated[Literal["network", "rules"], Meta(description="who says what the senses mean together")] = "network"
    confident: Annotated[Share, Meta(description="least probability from which a concept is named")] = 0.5
    outvoted: Annotated[Share, Meta(description="from this probability on a contradiction is overruled")] = 0.95
    conflict_bits: Annotated[float, Meta(gt=0, description="disagreement of the senses that is a contradiction")] = 0.35
    temperature: Annotated[float, Meta(gt=0, description="above 1 means less sure, below 1 surer")] = 1.0
    half_life_ms: Annotated[Positive, Meta(description="age at which evidence counts half")] = 2000


class RulesFile(_Table, frozen=True, kw_only=True):
    """What to do when something is meant; without this table nothing is done."""

    file: Annotated[str, Meta(description="a file of rules; try it with `sensorium rules`")]
    token: Annotated[str, Meta(description="sent with webhooks; better in SENSORIUM_WEBHOOK_TOKEN")] = ""


class Cloud(_Table, frozen=True, kw_only=True):
    """The fusion service; without this table everything stays here."""

    target: Annotated[
        str, Meta(description="host:port; several with commas, or a name of several addresses, are replicas")
    ]
    policy: Annotated[Literal["always", "unsure", "never"], Meta(description="which windows are sent")] = "always"
    floor: Annotated[Share, Meta(description='with "unsure": symbols below this confidence are sent')] = 0.8
    tls: Annotated[bool, Meta(description="speak TLS; always on a network you do not own")] = False
    ca: Annotated[str, Meta(description="certificate authority, PEM file; the system's if empty")] = ""
    certificate: Annotated[str, Meta(description="this device's certificate, PEM file, for mutual TLS")] = ""
    key: Annotated[str, Meta(description="this device's key, PEM file")] = ""
    bytes_per_s: Annotated[int, Meta(ge=0, description="average budget of the link; 0 for no limit")] = 0
    answer_ms: Annotated[
        int, Meta(ge=0, le=3_600_000, description="what the cloud can't answer so soon it puts off; 0: as it likes")
    ] = 0


class Spool(_Table, frozen=True, kw_only=True):
    """Where windows wait on disk until the cloud has them."""

    directory: Annotated[str, Meta(description="/var/lib/sensorium/spool or the user's state folder if empty")] = ""
    max_mb: Annotated[int, Meta(ge=2, description="largest size; the oldest windows give way")] = 64


class Mqtt(_Table, frozen=True, kw_only=True):
    """Telemetry; without this table none is sent."""

    host: Annotated[str, Meta(description="the broker")]
    port: Annotated[Port, Meta(description="its port")] = 1883
    username: Annotated[str, Meta(description="empty for none")] = ""
    password: Annotated[str, Meta(description="better in the environment: SENSORIUM_MQTT_PASSWORD")] = ""
    tls: Annotated[bool, Meta(description="speak TLS; brokers listen for it on 8883")] = False
    ca: Annotated[str, Meta(description="authority of the broker's certificate, PEM file; the system's if empty")] = ""
    certificate: Annotated[str, Meta(description="this device's certificate, PEM file, for mutual TLS")] = ""
    key: Annotated[str, Meta(description="this device's key, PEM file")] = ""
    discovery_prefix: Annotated[str, Meta(description="Home Assistant's; empty for no discovery")] = "homeassistant"


class Models(_Table, frozen=True, kw_only=True):
    """How local models run."""

    threads: Annotated[int, Meta(ge=1, le=16, description="threads of each model")] = 1
    accelerator: Annotated[
        str,
        Meta(description="auto, cpu, xnnpack:4, builtin, cuda, tensorrt, openvino, coreml or delegate:/path/lib.so"),
    ] = "auto"


class Trace(_Table, frozen=True, kw_only=True):
    """Where each window's time went, for an OpenTelemetry collector; needs the extra `trace`."""

    endpoint: Annotated[str, Meta(description="http://HOST:4317, a collector's gRPC; empty: nobody is told")] = ""


class Log(_Table, frozen=True, kw_only=True):
    """What is written to the journal."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="the least important level that is written")
    ] = "info"


class Settings(_Table, frozen=True, kw_only=True):
    """The agent's file. Every table may be left out; a sensor without a table is not used."""

    device: Device = Device()
    camera: Camera | None = None
    microphone: Microphone | None = None
    text: TextInput | None = None
    touch: Touch | None = None
    pulse: Pulse | None = None
    skin: Skin | None = None
    companion: Companion | None = None
    windows: Windows = Windows()
    fusion: Fusion = Fusion()
    rules: RulesFile | None = None
    cloud: Cloud | None = None
    egress: Annotated[dict[Modality, Egress], Meta(description="for each modality what may leave the device")] = {}
    spool: Spool = Spool()
    mqtt: Mqtt | None = None
    trace: Trace = Trace()
    models: Models = Models()
    log: Log = Log()

    @property
    def device_name(self) -> str:
        """The device's name, fit for topics and addresses."""
        return re.sub(r"[^A-Za-z0-9_-]+", "-", self.device.name or platform.node()) or "sensorium"

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """What the configured sensors of this device can tell."""
        found = {
            Modality.VIDEO: self.camera is not None,
            Modality.AUDIO: self.microphone is not None,
            Modality.TEXT: self.text is not None,
            Modality.GESTURE: self.camera is not None and self.camera.gestures,
            Modality.HAPTIC: self.touch is not None,
            Modality.BIOMETRIC: self.pulse is not None or self.skin is not None,
        }
        return tuple(m for m in Modality if found[m])

    @property
    def remote_modalities(self) -> tuple[Modality, ...]:
        """What other devices may tell."""
        return tuple(m for m in Modality if self.companion is not None and m in self.companion.modalities)

    @property
    def strokes_file(self) -> Path:
        """Where the strokes that were taught are kept."""
        if self.touch is not None and self.touch.strokes:
            return Path(self.touch.strokes)
        return self._state / "strokes.json"

    @property
    def taught_file(self) -> Path:
        """Where other signs that were taught are kept, and what all of them mean."""
        return self.strokes_file.with_name("taught.json")

    @property
    def spool_directory(self) -> Path:
        """Where the spool lies."""
        if self.spool.directory:
            return Path(self.spool.directory)
        return self._state / "spool"

    @property
    def _state(self) -> Path:
        """The agent's own folder for what it keeps."""
        state = os.environ.get("STATE_DIRECTORY") or os.environ.get("XDG_STATE_HOME")
        return (Path(state) if state else Path.home() / ".local" / "state") / "sensorium"


SECRETS: Mapping[str, tuple[str, str]] = {
    "SENSORIUM_MQTT_PASSWORD": ("mqtt", "password"),
    "SENSORIUM_MQTT_USERNAME": ("mqtt", "username"),
    "SENSORIUM_CLOUD_KEY": ("cloud", "key"),
    "SENSORIUM_WEBHOOK_TOKEN": ("rules", "token"),
    "SENSORIUM_COMPANION_TOKEN": ("companion", "token"),
}
"""Environment variables that override a key of the file, so that secrets need not stand in it."""


def read(path: Path, environment: Mapping[str, str]) -> Settings:
    """The settings in ``path``, secrets taken from the environment where it has them.

    Raises:
        SettingsError: the file cannot be read, or something in it is wrong; one line.
    """
    text = read_text(path, "name a file with settings")
    settings = decode(text, Settings, where=str(path))
    _check_windows(settings.windows, settings.modalities, str(path))
    if settings.pulse is not None and settings.pulse.low_bpm >= settings.pulse.high_bpm:
        reason = f"{settings.pulse.low_bpm:g} is not below high_bpm = {settings.pulse.high_bpm:g}; no rate is normal"
        raise SettingsError(str(path), "pulse.low_bpm", reason)
    if settings.microphone is not None and settings.microphone.clips:
        _check_clips(settings.egress, str(path))
    _check_private("cloud", settings.cloud, str(path))
    _check_private("mqtt", settings.mqtt, str(path))
    try:
        Accelerator.parse(settings.models.accelerator)
    except AcceleratorUnknown as error:
        raise SettingsError(str(path), "models.accelerator", str(error)) from error
    return overridden(settings, environment)


def _check_windows(windows: Windows, told: Collection[Modality], where: str) -> None:
    """Refuse what each key allows and the keys together do not."""
    if windows.hop_ms > windows.span_ms:
        reason = f"{windows.hop_ms} is more than span_ms = {windows.span_ms}; events would be lost"
        raise SettingsError(where, "windows.hop_ms", reason)
    if windows.gap_ms > windows.longest_ms:
        reason = f"{windows.gap_ms} is more than longest_ms = {windows.longest_ms}; only that would end a session"
        raise SettingsError(where, "windows.gap_ms", reason)
    if windows.kind == "pair" and told and windows.pivot not in told:
        reason = f"no sensor here tells of {windows.pivot}; choose one of: {', '.join(told)}"
        raise SettingsError(where, "windows.pivot", reason)


def _check_clips(egress: Mapping[Modality, Egress], where: str) -> None:
    """Refuse to record what then may not leave."""
    if egress.get(Modality.AUDIO) is not Egress.MEDIA:
        reason = 'recordings of speech leave only with egress.audio = "media": set it, or clips = false'
        raise SettingsError(where, "microphone.clips", reason)


def _check_private(table: str, link: Cloud | Mqtt | None, where: str) -> None:
    """Refuse keys of a link in the clear: who names them wants it private."""
    if link is None or link.tls:
        return
    for key in ("ca", "certificate", "key"):
        if getattr(link, key):
            raise SettingsError(where, f"{table}.{key}", "is for TLS, which is off: set tls = true, or leave this out")


def overridden(settings: Settings, environment: Mapping[str, str]) -> Settings:
    """``settings`` with the secrets the environment brings, for the tables that are in use."""
    for variable, (table, key) in SECRETS.items():
        part = getattr(settings, table)
        if part is not None and variable in environment:
            changed = msgspec.structs.replace(part, **{key: environment[variable]})
            settings = msgspec.structs.replace(settings, **{table: changed})
    return settings


def _without_places(ears: Microphone) -> Microphone:
    """A microphone's settings, but for its source and the file of its grammar."""
    phrases = () if isinstance(ears.grammar, str) else ears.grammar
    return msgspec.structs.replace(ears, source="recorded", grammar=phrases)


def deciding(settings: Settings) -> Settings:
    """The settings that decide what windows and symbols become; nothing that tells of places or secrets."""
    return Settings(
        device=Device(name=settings.device_name),
        camera=settings.camera and msgspec.structs.replace(settings.camera, source="recorded"),
        microphone=settings.microphone and _without_places(settings.microphone),
        touch=settings.touch and msgspec.structs.replace(settings.touch, source="recorded", strokes=""),
        pulse=settings.pulse and msgspec.structs.replace(settings.pulse, source="recorded"),
        windows=settings.windows,
        fusion=msgspec.structs.replace(settings.fusion, concepts=""),
    )
