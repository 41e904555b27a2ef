"""The agent's table of contents: builds everything in order, runs it, stops it in reverse.

    sensors -> inlets -> lanes -> join -> answer -> uplink

Each arrow is a bounded queue or a plain call; each task has its owner in `run`. A sensor that fails
restarts alone; any other failure ends the agent, and systemd starts it clean.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from sensorium.align import Windower
from sensorium.clock import Clock
from sensorium.event import Event, Modality, Sample
from sensorium_agent._app.cloud_link import CloudLink
from sensorium_agent._app.health import watch_loop
from sensorium_agent.answer import Answerer, Listener
from sensorium_agent.capture.sensor import Sensor, SensorState, supervise
from sensorium_agent.infer.inlet import GATHER_S, ROOM, Inlet
from sensorium_agent.infer.lanes import Lane
from sensorium_agent.join import Heard, Turn, join, unheard

_AT_ONCE = 8
"""Samples a lane takes in one dispatch: it catches up quickly, and a picture never waits long."""
_HEARD = 1024
"""Messages that may wait for the join; a full inbox slows the lanes, whose inlets then drop the oldest."""


async def run(
    sensors: Sequence[Sensor],
    lanes: Sequence[Lane],
    aligner: Windower,
    answerer: Answerer,
    *,
    clock: Clock,
    listener: Listener,
    stop: asyncio.Event,
    link: CloudLink | None = None,
    on_turn: Callable[[Turn], None] = unheard,
) -> None:
    """Run until every sensor has ended or ``stop`` is set; then finish what is under way."""
    inbox: asyncio.Queue[Heard | None] = asyncio.Queue(_HEARD)
    inlets = [Inlet(ROOM.get(lane.takes, ROOM[Modality.TEXT]), GATHER_S.get(lane.takes, 0.0)) for lane in lanes]
    async with contextlib.AsyncExitStack() as stack:
        if link is not None:
            await stack.enter_async_context(link)
        watch = await stack.enter_async_context(watch_loop())
        async with asyncio.TaskGroup() as group:
            joining = group.create_task(join(aligner, clock, inbox, answerer.answer, on_turn))
            attending = group.create_task(_attend_all(lanes, inlets, inbox, clock, listener))
            lost = await _sense(sensors, list(zip(lanes, inlets, strict=True)), clock, listener, stop)
            for inlet in inlets:
                inlet.close()
            await attending
            await inbox.put(None)
            await joining
        listener.on_status(
            "drops",
            sensors=dict(lost),
            inlets={lane.name: inlet.dropped for lane, inlet in zip(lanes, inlets, strict=True)},
            streams={name: _counted(counts) for name, counts in aligner.counts().items()},
            skipped_windows=aligner.skipped,
            loop_lag_ms=watch.summary(),
        )


def _counted(counts: object) -> dict[str, int]:
    return {name: getattr(counts, name) for name in ("placed", "amended", "late", "duplicate", "dropped", "reordered")}


# --- sensors ---------------------------------------------------------------------------


async def _sense(
    sensors: Sequence[Sensor],
    fed: Sequence[tuple[Lane, Inlet]],
    clock: Clock,
    listener: Listener,
    stop: asyncio.Event,
) -> Counter[str]:
    """Fill the inlets until the sensors end, or until told to stop; returns the samples lost by each sensor."""
    lost: Counter[str] = Counter()

    def emit(sample: Sample) -> None:
        listener.on_sample(sample)
        for lane, inlet in fed:
            if lane.hears(sample):
                inlet.put(sample)

    def on_state(state: SensorState) -> None:
        listener.on_status("sensor", name=state.name, state=state.health, detail=state.reason)

    async with asyncio.TaskGroup() as group:
        sensing = [
            group.create_task(supervise(s, clock, emit, on_state=on_state, on_loss=partial(_add, lost, s.name)))
            for s in sensors
        ]
        stopping = group.create_task(_cancel_when(stop, sensing))
        if sensing:
            await asyncio.wait(sensing)
        stopping.cancel()
    return lost


def _add(lost: Counter[str], name: str, samples: int) -> None:
    lost[name] += samples


async def _cancel_when(stop: asyncio.Event, tasks: Sequence[asyncio.Task[None]]) -> None:
    await stop.wait()
    for task in tasks:
        task.cancel()


# --- lanes -----------------------------------------------------------------------------


async def _attend_all(
    lanes: Sequence[Lane],
    inlets: Sequence[Inlet],
    inbox: asyncio.Queue[Heard | None],
    clock: Clock,
    listener: Listener,
) -> None:
    async with asyncio.TaskGroup() as group:
        for lane, inlet in zip(lanes, inlets, strict=True):
            group.create_task(_attend(lane, inlet, inbox, clock, listener))


async def _attend(
    lane: Lane, inlet: Inlet, inbox: asyncio.Queue[Heard | None], clock: Clock, listener: Listener
) -> None:
    """One lane: its perceiver runs in a thread of its own, since models release the GIL."""
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(1, thread_name_prefix=lane.name) as thread:
        while (samples := await inlet.take(_AT_ONCE, _patience_s(lane, clock))) is not None:
            if samples:
                events = await loop.run_in_executor(thread, lane.perceive, samples)
            else:
                events = lane.tick(clock.now_ns())
            await _tell(lane.modality, events, lane.reached_ns(samples), inbox, listener)
        await _tell(lane.modality, list(lane.perceiver.finish(clock.now_ns())), None, inbox, listener)


def _patience_s(lane: Lane, clock: Clock) -> float | None:
    due_ns = lane.next_due_ns()
    return None if due_ns is None else max(due_ns - clock.now_ns(), 0) / 1e9


async def _tell(
    modality: Modality,
    events: list[Event],
    reached_ns: int | None,
    inbox: asyncio.Queue[Heard | None],
    listener: Listener,
) -> None:
    for event in events:
        listener.on_event(event)
    await inbox.put(Heard(modality, tuple(events), reached_ns))
