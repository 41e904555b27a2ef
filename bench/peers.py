"""What others do with the traces of `bench/align.py`: their rules for closing windows, and the programs themselves.

The rules are written down here from their documentation, so that the curves need nothing installed. For speed the
programs run: bytewax (PyPI) and ROS's message_filters (Debian: python3-message-filters), if they can be imported.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush

import numpy as np
from traces import STREAMS, WINDOW_NS

_NEVER = 1 << 62


def event_clock(at_ns: np.ndarray, arrived_ns: np.ndarray, wait_ns: int) -> tuple[np.ndarray, dict[int, int]]:
    """bytewax's EventClock with tumbling windows.

    The watermark is the newest event less the wait, and goes on with the clock. What is older than the
    watermark is late, even if its window is still open; a window closes when the watermark passes its end.
    Returns each event's window (-1 if late) and when windows closed.
    """
    placed, closed = np.full(len(at_ns), -1), {}
    newest_ns, since_ns, following = -_NEVER, 0, 0
    for place, (at, now) in enumerate(zip(at_ns.tolist(), arrived_ns.tolist(), strict=True)):
        watermark = newest_ns + now - since_ns
        while (following + 1) * WINDOW_NS <= watermark:
            closed[following] = since_ns + (following + 1) * WINDOW_NS - newest_ns
            following += 1
        if at - wait_ns > watermark:
            newest_ns, since_ns, watermark = at - wait_ns, now, at - wait_ns
        if at >= watermark:
            placed[place] = at // WINDOW_NS
    return placed, closed


def input_aligner(
    stream: np.ndarray, at_ns: np.ndarray, arrived_ns: np.ndarray, timeout_ns: int
) -> tuple[np.ndarray, dict[int, int]]:
    """ROS 2 InputAligner with the streams' periods told, then tumbling windows over its output, which is in order.

    It passes on the oldest message if every active input has one or is not expected to have an older one; an
    input behind by the timeout is inactive until it speaks. What is older than what was passed on is dropped.
    """
    placed, closed, following = np.full(len(at_ns), -1), {}, 0
    queues: list[list[tuple[int, int]]] = [[] for _ in STREAMS]
    periods = [round(1e9 / s.rate_hz) if s.rate_hz else 0 for s in STREAMS]
    expected, newest, passed = [_NEVER] * len(STREAMS), -_NEVER, -_NEVER
    rows = zip(stream.tolist(), at_ns.tolist(), arrived_ns.tolist(), strict=True)
    for place, (number, at, now) in enumerate(rows):
        if at < passed:
            continue
        newest = max(newest, at)
        heappush(queues[number], (at, place))
        while any(queues):
            firsts = [q[0][0] if q else e for q, e in zip(queues, expected, strict=True)]
            first = min(range(len(firsts)), key=firsts.__getitem__)
            if queues[first]:
                passed, which = heappop(queues[first])
                expected[first] = passed + periods[first]
                placed[which] = passed // WINDOW_NS
                while (following + 1) * WINDOW_NS <= passed:
                    closed[following] = now
                    following += 1
            elif newest - firsts[first] >= timeout_ns:
                expected[first] = _NEVER
            else:
                break
    return placed, closed


def bytewax_speed(batches: Sequence[Sequence[int]], wait_ns: int) -> float:
    """Events a second of a bytewax dataflow: batches of event times (ns) into tumbling windows.

    Raises:
        ImportError: bytewax is not installed.
    """
    import bytewax.operators as op
    from bytewax.dataflow import Dataflow
    from bytewax.operators.windowing import EventClock, TumblingWindower, collect_window
    from bytewax.testing import TestingSink, TestingSource, cluster_main

    start, out = datetime(2026, 1, 1, tzinfo=UTC), []
    items = [("s", start + timedelta(microseconds=at // 1000)) for batch in batches for at in batch]
    flow = Dataflow("windows")
    keyed = op.input("in", flow, TestingSource(items, batch_size=len(batches[0])))
    clock = EventClock(lambda at: at, timedelta(microseconds=wait_ns // 1000))
    windower = TumblingWindower(timedelta(microseconds=WINDOW_NS // 1000), start)
    op.output("out", collect_window("join", keyed, clock, windower).down, TestingSink(out))
    return per_second(len(items), lambda: cluster_main(flow, [], 0))


def message_filters_speed(stream: Sequence[int], at_ns: Sequence[int], slop_s: float) -> float:
    """Events a second of ROS's Python ApproximateTimeSynchronizer.

    Raises:
        ImportError: message_filters is not installed.
    """
    from genpy import Time
    from message_filters import ApproximateTimeSynchronizer, SimpleFilter
    from rospy import rostime

    rostime.set_rostime_initialized(True)  # else it wants a ROS master

    class Stamped:
        def __init__(self, at: int) -> None:
            self.header = self
            self.stamp = Time(nsecs=at)

    inputs = [SimpleFilter() for _ in set(stream)]
    pairs: list[object] = []
    ApproximateTimeSynchronizer(inputs, 50, slop_s).registerCallback(lambda *found: pairs.append(found))
    messages = [(inputs[number], Stamped(at)) for number, at in zip(stream, at_ns, strict=True)]
    return per_second(len(messages), lambda: [source.signalMessage(message) for source, message in messages])


def per_second(events: int, work: Callable[[], object]) -> float:
    began_s = time.process_time()
    work()
    return events / (time.process_time() - began_s)
