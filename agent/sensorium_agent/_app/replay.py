"""`sensorium replay`: a recorded session once more, from its events or its samples, with faults if asked for."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from sensorium import concepts
from sensorium.align import Windower
from sensorium.clock import ManualClock
from sensorium.concepts import Vocabulary
from sensorium.event import Sample
from sensorium.window import Window
from sensorium_agent._app import compose, knowledge
from sensorium_agent._app.files.each import each
from sensorium_agent._app.listeners import Following
from sensorium_agent._app.output import Output
from sensorium_agent._app.play import play
from sensorium_agent._app.replay_report import Compared, Report
from sensorium_agent._app.settings import Settings
from sensorium_agent.answer import Answerer, Listener
from sensorium_agent.infer.lanes import Lane
from sensorium_agent.join import Heard, Turn
from sensorium_agent.record.faults import Fault
from sensorium_agent.record.inject import Message, Toll, inject, messages_of, turns_of
from sensorium_agent.record.reader import Contents, SessionLog
from sensorium_agent.record.replay import paced, retake, simulate
from sensorium_agent.record.session import RecordError

W = TypeVar("W", Heard, Sample)

Source = Literal["events", "samples"]


@dataclass(frozen=True, slots=True)
class Wish:
    """How a session is taken again.

    Attributes:
        source: from its events, or from its samples through the perceivers.
        speed: times as fast as it happened; None for as fast as it goes.
        faults: what goes wrong this time.
        seed: of the faults' dice.
        settings: these windows and concepts instead of the recorded ones.
    """

    source: Source = "events"
    speed: float | None = None
    faults: tuple[Fault, ...] = ()
    seed: int = 0
    settings: Settings | None = None


def replay_files(files: Sequence[Path], wish: Wish, output: Output) -> int:
    """Replay each file by itself; returns how many could not be."""

    def take(_number: int, file: Path) -> None:
        replay(SessionLog(file), wish, output)

    return each(files, take)


def replay(log: SessionLog, wish: Wish, output: Output) -> Report:
    """Take the session again, and tell what came of it.

    Raises:
        RecordError: the file holds no samples where they are wanted, or something that no session holds.
        SensoriumError: a model or the concepts cannot be used.
    """
    contents = log.contents()
    if contents.damaged_chunks and not contents.turns:
        raise RecordError(f"{log.path}: is damaged all over: none of its turns can be read; take another copy of it")
    settings = _settings(log, wish.settings)
    lines, compared = output.listener(str(log.path)), Compared(log)
    vocabulary = _vocabulary(log, settings)
    everyone = Following([lines, compared], vocabulary, log.session.id)
    clock = ManualClock(log.session.start_ns)
    aligner = compose.aligner(log.session.id, log.session.modalities, settings.windows)
    aligner.start(log.session.start_ns)
    answerer = compose.answerer(settings, log.session.modalities, clock=clock, listener=everyone, concepts=vocabulary)
    taking = _Taking(log, contents, wish, settings, aligner, answerer, everyone, clock)
    began_s = time.monotonic()
    tolls = taking.from_events() if wish.source == "events" else taking.from_samples()
    everyone.finish()
    took_s = time.monotonic() - began_s
    streams = {name: asdict(counts) for name, counts in aligner.counts().items()}
    report = Report(log, contents, wish.source, wish.faults, lines.tally, compared, tolls, streams, took_s)
    if output.jsonl:
        lines.on_status("summary", file=str(log.path), **report.summary())
    else:
        sys.stdout.write("\n".join([*report.words(), ""]))
    return report


def _settings(log: SessionLog, instead: Settings | None) -> Settings:
    """The recorded settings, or those given instead."""
    try:
        recorded = msgspec.json.decode(log.session.settings, type=Settings)
    except msgspec.DecodeError as error:
        if instead is not None:
            return instead
        raise RecordError(
            f"{log.path}: its settings: {error}; replay it with settings of your own: --config"
        ) from error
    if instead is None:
        return recorded
    return msgspec.structs.replace(recorded, windows=instead.windows, fusion=instead.fusion, models=instead.models)


def _vocabulary(log: SessionLog, settings: Settings) -> Vocabulary:
    """The concepts that were recorded with the session, unless the settings name others."""
    if log.session.concepts and not settings.fusion.concepts:
        return concepts.parse(log.session.concepts, where=f"{log.path}: concepts")
    return knowledge.vocabulary(settings)


@dataclass(frozen=True, slots=True)
class _Taking:
    """A session about to be taken again."""

    log: SessionLog
    contents: Contents
    wish: Wish
    settings: Settings
    aligner: Windower
    answerer: Answerer
    listener: Listener
    clock: ManualClock

    def from_events(self) -> dict[str, Toll]:
        """The turns that were recorded, or what faults make of them; returns the faults' tolls."""
        if not any(fault.touches_messages for fault in self.wish.faults):
            self._answer(retake(self._told(self.log.turns()), self.aligner, self.clock))
            return {}
        return self._simulate(*self._injected(messages_of(self.log.turns())))

    def from_samples(self) -> dict[str, Toll]:
        """What the perceivers say today to the samples that were recorded; returns the faults' tolls."""
        self._check_samples()
        session = self.log.session
        lanes = compose.lanes(self.settings, session.modalities, session.id)
        arrivals = self.log.arrivals()
        if not (session.live or self.wish.faults):
            samples = (arrival.sample for arrival in arrivals)
            asyncio.run(self._play(paced(samples, _at_ns, self.wish.speed, session.start_ns), lanes))
            return {}
        messages, tolls = self._injected(Message(arrival.arrived_ns, arrival.sample) for arrival in arrivals)
        return self._simulate(_perceived(messages, lanes), tolls)

    def _injected(self, messages: Iterator[Message[W]]) -> tuple[Iterator[Message[W]], dict[str, Toll]]:
        return inject(messages, self.wish.faults, start_ns=self.log.session.start_ns, seed=self.wish.seed)

    def _simulate(self, messages: Iterator[Message[Heard]], tolls: dict[str, Toll]) -> dict[str, Toll]:
        # Files that were played at once have no time between their samples in which anything could wait.
        again = simulate if self.log.session.live else retake
        self._answer(again(self._told(turns_of(messages, self.contents.end_ns)), self.aligner, self.clock))
        return tolls

    def _answer(self, windows: Iterator[Window]) -> None:
        for window in windows:
            self.answerer.answer(window)

    def _told(self, turns: Iterator[Turn]) -> Iterator[Turn]:
        """The turns, each at its time, their events told to the listener first."""
        for turn in paced(turns, _now_ns, self.wish.speed, self.log.session.start_ns):
            for heard in turn.heard:
                for event in heard.events:
                    self.listener.on_event(event)
            yield turn

    async def _play(self, samples: Iterator[Sample], lanes: Sequence[Lane]) -> None:
        await play(
            samples,
            lanes,
            self.aligner,
            self.answerer,
            clock=self.clock,
            listener=self.listener,
            ends_ns=self.contents.end_ns,
        )

    def _check_samples(self) -> None:
        silent = [sensor.name for sensor in self.contents.sensors if not sensor.playable]
        if silent or not self.contents.sensors:
            what = f"the samples of {', '.join(silent)} are" if silent else "samples are"
            raise RecordError(f"{self.log.path}: {what} not kept; record with --media, or replay --from events")


def _perceived(arrivals: Iterable[Message[Sample]], lanes: Sequence[Lane]) -> Iterator[Message[Heard]]:
    """What the lanes say to samples as they arrive: each lane marks how far its own sensor has been looked at."""
    now_ns = 0
    for arrival in arrivals:
        now_ns = arrival.now_ns
        for lane in lanes:
            if (due_ns := lane.next_due_ns()) is not None and due_ns <= now_ns:
                yield Message(now_ns, Heard(lane.modality, tuple(lane.tick(now_ns)), None))
            if lane.takes is arrival.sense:
                events = tuple(lane.perceive([arrival.what]))
                yield Message(now_ns, Heard(lane.modality, events, arrival.what.at_ns))
    for lane in lanes:
        yield Message(now_ns, Heard(lane.modality, tuple(lane.perceiver.finish(now_ns)), None))


def _at_ns(sample: Sample) -> int:
    return sample.at_ns


def _now_ns(turn: Turn) -> int:
    return turn.now_ns
