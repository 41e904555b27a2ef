"""`sensorium run`: live sensors, or files played at once or in their own time."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from sensorium.clock import Clock, DeviceClock, ManualClock
from sensorium.errors import SensoriumError
from sensorium.event import Modality
from sensorium.settings import SettingsError
from sensorium_agent._app import compose, daemon, knowledge, learning
from sensorium_agent._app.audience import audience
from sensorium_agent._app.clock_watch import watch_clocks
from sensorium_agent._app.cloud_link import CloudLink
from sensorium_agent._app.compose import Parts
from sensorium_agent._app.listeners import Following, LineListener
from sensorium_agent._app.models.watch import watch_models
from sensorium_agent._app.output import Output
from sensorium_agent._app.play import play
from sensorium_agent._app.settings import Settings
from sensorium_agent._app.signals import on_told_to_stop
from sensorium_agent._app.taught_watch import watch_taught
from sensorium_agent.answer import Listener
from sensorium_agent.capture.recording import Recording, open_recording
from sensorium_agent.capture.sensor import Sensor
from sensorium_agent.infer.runtime.shelf import Change
from sensorium_agent.join import Turn, unheard

if TYPE_CHECKING:
    from sensorium_agent.capture.companion import Companion
    from sensorium_agent.record.recorder import Recorder
    from sensorium_agent.record.session import Session

log = logging.getLogger(__name__)


async def run_live(
    settings: Settings, output: Output, *, recorder: Recorder | None = None, for_s: float | None = None
) -> None:
    """Run the configured sensors until told to stop, or for so many seconds."""
    found = compose.sensors(settings)
    companion = compose.companion(settings)
    if not (found or companion):
        raise SettingsError(
            "run", "", "no sensor is configured: add a [camera], [microphone], ... table, or use --play"
        )
    clock = DeviceClock()
    stop = _stop_on_signals(for_s)
    with output.live(None, clock) as lines, compose.shelf(settings).on_probation():
        await _run(
            settings,
            lambda _: found,
            settings.modalities,
            lines,
            clock=clock,
            stop=stop,
            recorder=recorder,
            companion=companion,
        )


async def play_live(
    settings: Settings,
    recording: Recording,
    output: Output,
    *,
    stop: asyncio.Event | None = None,
    recorder: Recorder | None = None,
) -> None:
    """Play a recording in its own time, as if its sensors were here, to its end or until told to stop."""
    clock = DeviceClock()
    modalities = compose.told_by(recording.modalities)
    stop = stop or _stop_on_signals()
    with output.live(str(recording.path), clock) as lines, compose.shelf(settings).on_probation():
        await _run(settings, recording.sensors, modalities, lines, clock=clock, stop=stop, recorder=recorder)


async def _run(
    settings: Settings,
    sensors_from: Callable[[int], Sequence[Sensor]],
    modalities: Sequence[Modality],
    lines: LineListener,
    *,
    clock: Clock,
    stop: asyncio.Event,
    recorder: Recorder | None = None,
    companion: Companion | None = None,
) -> None:
    """Run the sensors that ``sensors_from`` gives for the moment when everything is ready."""
    vocabulary = knowledge.vocabulary(settings)
    lines.session = str(uuid.uuid4())
    with audience(settings, vocabulary, clock, lines) as listeners:
        everyone = Following([*listeners, *([recorder] if recorder else [])], vocabulary, lines.session)
        link = CloudLink.of(settings, everyone, live=True)
        offer = link.offer if link else None
        remote = settings.remote_modalities if companion else ()
        parts = compose.assemble(
            settings, modalities, lines.session, clock=clock, listener=everyone, offer=offer, remote=remote
        )
        start_ns = clock.now_ns()
        parts.aligner.start(start_ns)
        sensors = [*sensors_from(start_ns), *([companion] if companion else [])]
        told = [m for m in Modality if m in {*modalities, *remote}]
        session = compose.session(settings, told, lines.session, start_ns=start_ns, clock=clock)
        async with (
            _kept(recorder, session, clock) as on_turn,
            _accounted(settings, lines, everyone, link, start_ns=start_ns, modalities=told),
            watch_clocks(clock, everyone),
            _open_to(settings, companion, clock, everyone),
            _following_changes(settings, parts, modalities, everyone, link),
        ):
            pipeline = (sensors, parts.lanes, parts.aligner, parts.answerer)
            await daemon.run(*pipeline, clock=clock, listener=everyone, stop=stop, link=link, on_turn=on_turn)


@contextlib.asynccontextmanager
async def _accounted(
    settings: Settings, lines: LineListener, everyone: Following, link: CloudLink | None, **began: object
) -> AsyncIterator[None]:
    """Say that it begins, with what; and what it came to, however it ends."""
    everyone.on_status("start", **began, runs_on=compose.shelf(settings).runs_on())
    try:
        yield
    finally:
        _conclude(lines, everyone, link)


def _conclude(lines: LineListener, everyone: Following, link: CloudLink | None) -> None:
    everyone.finish()
    everyone.on_status("summary", **lines.tally.summary(), **(link.summary() if link else {}))


@contextlib.asynccontextmanager
async def _kept(recorder: Recorder | None, session: Session, clock: Clock) -> AsyncIterator[Callable[[Turn], None]]:
    """Record the session while inside, if anybody does; gives who is told of the join's turns."""
    if recorder is None:
        yield unheard
        return
    recorder.begin(session, clock)
    try:
        yield recorder.on_turn
    finally:
        await asyncio.to_thread(recorder.end)


@contextlib.asynccontextmanager
async def _following_changes(
    settings: Settings, parts: Parts, modalities: Sequence[Modality], everyone: Following, link: CloudLink | None
) -> AsyncIterator[None]:
    """Take up other versions of models, and what the user teaches, while the agent runs."""

    def changed(change: Change) -> None:
        parts.answerer.use(compose.models_of(settings, modalities))
        everyone.on_status("model", **asdict(change))

    def learn() -> None:
        board = learning.learn(settings, parts, everyone)
        if link is not None:
            link.learn()
        concepts = sorted({sign.concept for sign in board.signs})
        everyone.on_status("taught", signs=[sign.name for sign in board.signs], concepts=concepts)

    async with (
        watch_models(compose.shelf(settings), changed),
        watch_taught((settings.taught_file, settings.strokes_file), learn),
    ):
        yield


@contextlib.asynccontextmanager
async def _open_to(
    settings: Settings, companion: Companion | None, clock: Clock, listener: Listener
) -> AsyncIterator[None]:
    """Let other devices in, if the settings say so."""
    if companion is None or settings.companion is None:
        yield
        return
    from sensorium_agent._app.api import serving

    async with serving(settings.companion, companion, clock, software=compose.software()) as address:
        listener.on_status("companion", address=address)
        yield


def _stop_on_signals(for_s: float | None = None) -> asyncio.Event:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, stop.set)
    on_told_to_stop(lambda _: stop.set())
    if for_s is not None:
        loop.call_later(for_s, stop.set)
    return stop


async def play_files(
    settings: Settings, files: Sequence[Path], output: Output, *, live: bool = False, also: Sequence[Listener] = ()
) -> int:
    """Play each file by itself, as fast as it goes or in its own time; returns how many could not be played.

    ``also`` listen too where files are played as fast as they go.
    """
    from sensorium_agent.infer.sound.grammar import GrammarError
    from sensorium_models.store import ModelDamaged, ModelMissing

    failed = 0
    stop = _stop_on_signals() if live else asyncio.Event()
    for number, file in enumerate(files):
        if stop.is_set():
            break
        try:
            recording = open_recording(file)
            if live:
                await play_live(settings, recording, output, stop=stop)
            else:
                await play_at_once(settings, recording, output, session_id=_session(file, number), also=also)
        except (ModelMissing, ModelDamaged, GrammarError):
            raise  # no other file would fare better
        except SensoriumError as error:
            failed += 1
            sys.stderr.write(f"sensorium: {error}\n")
    return failed


async def play_at_once(
    settings: Settings,
    recording: Recording,
    output: Output,
    *,
    session_id: str,
    also: Sequence[Listener] = (),
    recorder: Recorder | None = None,
) -> None:
    """Play a recording to its end as fast as it goes; a ``recorder`` must be patient."""
    clock = ManualClock()
    lines = output.listener(str(recording.path))
    lines.session = session_id
    heard_by = [lines, *also, *([recorder] if recorder else [])]
    everyone = Following(heard_by, knowledge.vocabulary(settings), session_id)
    link = CloudLink.of(settings, everyone)
    modalities = compose.told_by(recording.modalities)
    offer = link.offer if link else None
    parts = compose.assemble(settings, modalities, session_id, clock=clock, listener=everyone, offer=offer)
    session = compose.session(settings, modalities, session_id, start_ns=0, clock=clock)
    async with _kept(recorder, session, clock) as on_turn:
        async with link or contextlib.nullcontext():
            await play(
                recording.samples(),
                parts.lanes,
                parts.aligner,
                parts.answerer,
                clock=clock,
                listener=everyone,
                ends_ns=round(recording.duration_s * 1e9),
                on_turn=on_turn,
            )
        _conclude(lines, everyone, link)


def _session(file: Path, number: int) -> str:
    """The same file at the same place of the command line gives the same session, so the same windows."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{number}:{file.name}"))
