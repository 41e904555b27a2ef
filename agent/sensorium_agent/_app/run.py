"""`sensorium run`: live sensors, or files played at once or in their own time."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sys
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sensorium.clock import Clock, DeviceClock, ManualClock
from sensorium.errors import SensoriumError
from sensorium.event import Modality
from sensorium.settings import SettingsError
from sensorium_agent._app import compose, daemon
from sensorium_agent._app.cloud_link import CloudLink
from sensorium_agent._app.lines import Line, writer
from sensorium_agent._app.listeners import Following, LineListener, LogListener, TelemetryListener
from sensorium_agent._app.play import play
from sensorium_agent._app.settings import Settings
from sensorium_agent.answer import Listener
from sensorium_agent.capture.recording import Recording, open_recording
from sensorium_agent.capture.sensor import Sensor

if TYPE_CHECKING:
    from sensorium_agent._app.telemetry import Telemetry

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Output:
    """What a run prints: JSON lines, with status lines among them if asked for."""

    jsonl: bool = False
    status: bool = False

    def listener(self, file: str | None, clock: Clock | None = None) -> LineListener:
        """A listener that prints to standard output, or only counts; ``clock`` where it is the pipeline's own."""
        return LineListener(_to_stdout() if self.jsonl else None, file, status=self.status, clock=clock)


def _to_stdout() -> Callable[[Line], None]:
    def write(line: bytes) -> None:
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()

    return writer(write)


async def run_live(settings: Settings, output: Output) -> None:
    """Run the configured sensors until told to stop."""
    found = compose.sensors(settings)
    if not found:
        raise SettingsError(
            "run", "", "no sensor is configured: add a [camera], [microphone], ... table, or use --play"
        )
    clock = DeviceClock()
    lines = output.listener(None, clock)
    await _run(settings, lambda _: found, settings.modalities, lines, clock=clock, stop=_stop_on_signals())


async def _play_live(settings: Settings, file: Path, output: Output, stop: asyncio.Event) -> None:
    """Play a recording in its own time, as if its sensors were here."""
    recording = open_recording(file)
    clock = DeviceClock()
    lines = output.listener(str(file), clock)
    await _run(settings, recording.sensors, compose.told_by(recording.modalities), lines, clock=clock, stop=stop)


async def _run(
    settings: Settings,
    sensors_from: Callable[[int], Sequence[Sensor]],
    modalities: Sequence[Modality],
    lines: LineListener,
    *,
    clock: Clock,
    stop: asyncio.Event,
) -> None:
    """Run the sensors that ``sensors_from`` gives for the moment when everything is ready."""
    listeners: list[Listener] = [lines, LogListener()]
    vocabulary = compose.vocabulary(settings)
    telemetry = _telemetry(settings, [concept.name for concept in vocabulary])
    if telemetry is not None:
        listeners.append(TelemetryListener(telemetry))
    actor = compose.actor(settings, vocabulary, telemetry)
    if actor is not None:
        listeners.append(actor)
    lines.session = str(uuid.uuid4())
    everyone = Following(listeners, vocabulary, lines.session)
    link = CloudLink.of(settings, everyone)
    offer = link.offer if link else None
    parts = compose.assemble(settings, modalities, lines.session, clock=clock, listener=everyone, offer=offer)
    start_ns = clock.now_ns()
    parts.aligner.start(start_ns)
    sensors = sensors_from(start_ns)
    with telemetry or contextlib.nullcontext(), actor or contextlib.nullcontext():
        everyone.on_status("start", start_ns=start_ns, modalities=list(modalities))
        try:
            await daemon.run(
                sensors,
                parts.lanes,
                parts.aligner,
                parts.answerer,
                clock=clock,
                listener=everyone,
                stop=stop,
                link=link,
            )
        finally:
            everyone.finish()
            everyone.on_status("summary", **lines.tally.summary(), **(link.summary() if link else {}))


def _telemetry(settings: Settings, concepts: Sequence[str]) -> Telemetry | None:
    if settings.mqtt is None:
        return None
    from sensorium_agent._app.telemetry import Telemetry

    m = settings.mqtt
    return Telemetry(
        settings.device_name,
        host=m.host,
        port=m.port,
        username=m.username,
        password=m.password,
        tls=m.tls,
        discovery_prefix=m.discovery_prefix,
        concepts=concepts,
    )


def _stop_on_signals() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


async def play_files(
    settings: Settings, files: Sequence[Path], output: Output, *, live: bool = False, also: Sequence[Listener] = ()
) -> int:
    """Play each file by itself, as fast as it goes or in its own time; returns how many could not be played.

    ``also`` listen too where files are played as fast as they go.
    """
    from sensorium_models.store import ModelDamaged, ModelMissing

    failed = 0
    stop = _stop_on_signals() if live else asyncio.Event()
    for number, file in enumerate(files):
        if stop.is_set():
            break
        try:
            await (
                _play_live(settings, file, output, stop) if live else _play_file(settings, file, number, output, also)
            )
        except (ModelMissing, ModelDamaged):
            raise  # no other file would fare better
        except SensoriumError as error:
            failed += 1
            sys.stderr.write(f"sensorium: {error}\n")
    return failed


async def _play_file(settings: Settings, file: Path, number: int, output: Output, also: Sequence[Listener]) -> None:
    recording: Recording = open_recording(file)
    clock = ManualClock()
    lines = output.listener(str(file))
    lines.session = _session(file, number)
    everyone = Following([lines, *also], compose.vocabulary(settings), lines.session)
    link = CloudLink.of(settings, everyone)
    parts = compose.assemble(
        settings,
        compose.told_by(recording.modalities),
        lines.session,
        clock=clock,
        listener=everyone,
        offer=link.offer if link else None,
    )
    ends_ns = round(recording.duration_s * 1e9)
    playing = play(
        recording.samples(), parts.lanes, parts.aligner, parts.answerer, clock=clock, listener=everyone, ends_ns=ends_ns
    )
    if link is None:
        await playing
    else:
        async with link:
            await playing
    everyone.finish()
    everyone.on_status("summary", **lines.tally.summary(), **(link.summary() if link else {}))


def _session(file: Path, number: int) -> str:
    """The same file at the same place of the command line gives the same session, so the same windows."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{number}:{file.name}"))
