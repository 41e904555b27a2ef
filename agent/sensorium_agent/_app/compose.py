"""From settings to the parts of an agent: which sensors, which lanes, who answers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from sensorium.align import Aligner, Windower
from sensorium.assemble import Thresholds
from sensorium.clock import Clock, DeviceClock, read_wall
from sensorium.concepts import Vocabulary
from sensorium.errors import SensoriumError
from sensorium.event import Modality
from sensorium.settings import SettingsError
from sensorium.symbol import ModelRef
from sensorium.window import Window
from sensorium.windowing.pair import PairAligner
from sensorium.windowing.session_window import SessionAligner
from sensorium_agent._app import knowledge
from sensorium_agent._app.settings import Settings, Windows, deciding
from sensorium_agent.answer import Answerer, Identity, Listener
from sensorium_agent.capture.sensor import Sensor
from sensorium_agent.fuse.network import FusionNetwork, OrRules, fall_back
from sensorium_agent.fuse.pooling import Pool, by_rules
from sensorium_agent.fuse.symbol import FusionSettings
from sensorium_agent.infer import lanes as perception
from sensorium_agent.infer.lanes import FUSION, MODELS, SENSED_BY, Lane
from sensorium_agent.infer.remote import build_remote
from sensorium_agent.infer.runtime.shelf import Shelf
from sensorium_agent.infer.sound.keyword import Listening
from sensorium_agent.offload import DEFAULT_EGRESS, Ask, Egress, Policy
from sensorium_agent.record.session import Session

if TYPE_CHECKING:
    from sensorium_agent._app.actions import Actor
    from sensorium_agent._app.telemetry import Telemetry
    from sensorium_agent.capture.companion import Companion
    from sensorium_agent.infer.biometric import Bounds
    from sensorium_agent.infer.touch import Touching

_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Parts:
    """What both drivers, live and playing, run on."""

    lanes: tuple[Lane, ...]
    aligner: Windower
    answerer: Answerer


def shelf(settings: Settings) -> Shelf:
    """The models of this process, run as the settings want it."""
    return perception.shelf(settings.models.threads, settings.models.accelerator)


def software() -> str:
    """Name and version, for provenance."""
    return f"sensorium {version('sensorium')}"


def assemble(
    settings: Settings,
    modalities: Collection[Modality],
    session_id: str,
    *,
    clock: Clock,
    listener: Listener,
    offer: Callable[[Window], None] | None = None,
    remote: Collection[Modality] = (),
) -> Parts:
    """Load the models of ``modalities`` and put the pipeline together; other devices may tell of ``remote`` too.

    Raises:
        SensoriumError: a model cannot be used; one line.
    """
    return Parts(
        (*lanes(settings, modalities, session_id), *build_remote(remote, session_id)),
        aligner(session_id, {*modalities, *remote}, settings.windows),
        answerer(settings, modalities, clock=clock, listener=listener, offer=offer),
    )


def lanes(settings: Settings, modalities: Collection[Modality], session_id: str) -> tuple[Lane, ...]:
    """A lane for each modality, its models loaded.

    Raises:
        SensoriumError: a model cannot be used; one line.
    """
    return perception.build(
        modalities,
        session_id,
        models=shelf(settings),
        keyframe_every_s=settings.camera.keyframe_every_s if settings.camera else 5.0,
        listening=listening(settings),
        touching=touching(settings) if Modality.HAPTIC in modalities else None,
        beating=beating(settings),
        taught=knowledge.taught(settings),
    )


def touching(settings: Settings) -> Touching:
    """Where touches end, and which strokes were taught.

    Raises:
        SensoriumError: the strokes cannot be read; one line.
    """
    from sensorium_agent.infer.touch import Feel, Touching
    from sensorium_agent.infer.touch.taught import read

    pad = settings.touch
    feel = Feel()
    if pad is not None:
        feel = Feel(
            long_press_ms=pad.long_press_ms,
            double_tap_ms=pad.double_tap_ms,
            swipe=pad.swipe,
            swipe_speed=pad.swipe_speed,
        )
    return Touching(feel, read(settings.strokes_file))


def beating(settings: Settings) -> Bounds | None:
    """Which heart rates are normal."""
    from sensorium_agent.infer.biometric import Bounds

    return Bounds(settings.pulse.low_bpm, settings.pulse.high_bpm) if settings.pulse else None


def listening(settings: Settings) -> Listening:
    """Which spoken commands count."""
    ears = settings.microphone
    if ears is None:
        return Listening()
    return Listening(ears.keywords, ears.keyword_threshold, ears.wake_s, ears.grammar, ears.clips)


def answerer(
    settings: Settings,
    modalities: Collection[Modality],
    *,
    clock: Clock,
    listener: Listener,
    concepts: Vocabulary | None = None,
    offer: Callable[[Window], None] | None = None,
) -> Answerer:
    """Who answers windows, by ``concepts``, or by those of the settings."""
    weigher = pool(settings)
    identity = Identity(settings.device_name, software(), models_of(settings, modalities))
    return Answerer(
        concepts or knowledge.vocabulary(settings),
        identity,
        clock,
        listener,
        policy=policy(settings),
        weighing=weighing(settings),
        pool=weigher,
        offer=offer,
    )


def pool(settings: Settings) -> Pool:
    """Who says what the senses of a window mean together: the network, or the rules where it cannot be had."""
    if settings.fusion.by == "rules":
        return by_rules
    models = shelf(settings)
    try:
        network = models.model(FUSION)
    except SensoriumError as error:
        fall_back(str(error))
        return by_rules
    return OrRules(FusionNetwork(network, models.turner([FUSION])))


def weighing(settings: Settings) -> FusionSettings:
    """How the device weighs evidence."""
    fusion = settings.fusion
    return FusionSettings(
        fusion.temperature,
        dict.fromkeys(Modality, fusion.half_life_ms * _MS),
        Thresholds(fusion.confident, fusion.conflict_bits, fusion.outvoted),
    )


def session(
    settings: Settings, modalities: Collection[Modality], session_id: str, *, start_ns: int, clock: Clock
) -> Session:
    """What a recording says of the session it holds."""
    return Session(
        session_id,
        tuple(m for m in Modality if m in modalities),
        start_ns,
        read_wall(clock).offset_ns,
        clock.boot_id if isinstance(clock, DeviceClock) else "",
        settings.device_name,
        software(),
        msgspec.json.encode(deciding(settings)).decode(),
        knowledge.text(settings),
    )


def actor(settings: Settings, vocabulary: Vocabulary, telemetry: Telemetry | None) -> Actor | None:
    """Who carries out the user's rules, if there are any.

    Raises:
        SettingsError: the rules cannot be used.
    """
    if settings.rules is None:
        return None
    from sensorium_agent import rules
    from sensorium_agent._app.actions import Actor

    read = rules.read(Path(settings.rules.file), vocabulary)
    told = next((name for name, rule in read.rule.items() if rule.publish), None)
    if told and telemetry is None:
        raise SettingsError(settings.rules.file, f"rule.{told}.publish", "needs a broker: add [mqtt] to the settings")
    return Actor(read, telemetry, token=settings.rules.token)


def aligner(session_id: str, modalities: Collection[Modality], windows: Windows) -> Windower:
    """What joins events into windows of the kind the settings want.

    Raises:
        SettingsError: the pivot of pairs is a modality that nothing tells of.
    """
    patience: dict[str, Any] = {
        "cap_ns": windows.cap_ms * _MS,
        "lateness_ns": windows.lateness_ms * _MS,
        "stale_ns": windows.stale_ms * _MS,
        "idle_ns": windows.idle_ms * _MS,
    }
    if windows.kind == "session":
        gap_ns, longest_ns = windows.gap_ms * _MS, windows.longest_ms * _MS
        return SessionAligner(session_id, modalities, gap_ns=gap_ns, longest_ns=longest_ns, **patience)
    if windows.kind == "pair":
        if windows.pivot not in modalities:
            reason = f"nothing here tells of {windows.pivot}; choose one of: {', '.join(modalities)}"
            raise SettingsError("", "windows.pivot", reason)
        tolerance_ns = windows.tolerance_ms * _MS
        return PairAligner(session_id, modalities, pivot=windows.pivot, tolerance_ns=tolerance_ns, **patience)
    span_ns, hop_ns = windows.span_ms * _MS, windows.hop_ms * _MS or None
    return Aligner(session_id, modalities, span_ns=span_ns, hop_ns=hop_ns, **patience)


def models_of(settings: Settings, modalities: Collection[Modality]) -> tuple[ModelRef, ...]:
    """The models behind ``modalities``, and the one that fuses them, if one does; by hash."""
    running = shelf(settings)
    fusing = [FUSION] if settings.fusion.by == "network" and FUSION in running.runs_on() else []
    names = [*(name for m in Modality if m in modalities for name in MODELS.get(m, ())), *fusing]
    return tuple(ModelRef(name, running.digest(name)) for name in names)


def policy(settings: Settings) -> Policy:
    """Which windows go to the cloud."""
    if settings.cloud is None:
        return Policy(Ask.NEVER)
    return Policy(Ask(settings.cloud.policy), floor=settings.cloud.floor, egress=egress(settings))


def egress(settings: Settings) -> Mapping[Modality, Egress]:
    """What may leave, by modality: the defaults and what the settings change of them."""
    return {**DEFAULT_EGRESS, **settings.egress}


def told_by(sensed: Iterable[Modality]) -> tuple[Modality, ...]:
    """The modalities that sensors of the modalities ``sensed`` can tell of."""
    known = frozenset(sensed)
    return tuple(m for m in Modality if SENSED_BY[m] in known)


def sensors(settings: Settings) -> list[Sensor]:
    """The configured sensors; each module is imported only if it is used."""
    found: list[Sensor] = []
    if settings.camera is not None:
        from sensorium_agent.capture.camera import Camera

        found.append(Camera(settings.camera.source, max_fps=settings.camera.fps))
    if settings.microphone is not None:
        from sensorium_agent.capture.microphone import Microphone

        found.append(Microphone(settings.microphone.source))
    if settings.text is not None:
        from sensorium_agent.capture.text import TextSource

        found.append(TextSource(settings.text.source))
    if settings.touch is not None:
        from sensorium_agent.capture.touch import TouchPad

        found.append(TouchPad(settings.touch.source))
    if settings.pulse is not None:
        from sensorium_agent.capture.pulse import PulseSource

        found.append(PulseSource(settings.pulse.source, rate_hz=settings.pulse.rate_hz, signal=settings.pulse.signal))
    if settings.skin is not None:
        from sensorium_agent.capture.pulse import PulseSource

        found.append(PulseSource(settings.skin.source, rate_hz=settings.skin.rate_hz, signal="skin", name="skin"))
    return found


def companion(settings: Settings) -> Companion | None:
    """Other devices as a sensor, if the settings let them in."""
    if settings.companion is None:
        return None
    from sensorium_agent.capture.companion import Companion

    return Companion(settings.remote_modalities)
