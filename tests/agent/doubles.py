"""Stand-ins for sensors, perceivers and listeners; each keeps the promises of what it stands for."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import replace

from sensorium.clock import Clock
from sensorium.episode import Episode
from sensorium.event import Event, EventStream, Modality, Sample, Text
from sensorium.symbol import Symbol
from sensorium.window import Window

MS = 1_000_000
SESSION = "s"


def a_line(words: str, at_ms: int = 0, number: int = 0) -> Sample:
    return Sample(Modality.TEXT, "keys", number, at_ms * MS, Text(words))


class Echo:
    """A perceiver that hears every line as an event, and counts what it was given."""

    def __init__(self, session: str = SESSION, label: str | None = None) -> None:
        self._stream = EventStream(session, Modality.TEXT)
        self._label = label
        self.taken = 0

    def perceive(self, sample: Sample) -> Sequence[Event]:
        self.taken += 1
        assert isinstance(sample.data, Text)
        return (self._stream.event(sample.at_ns, text=sample.data.line, label=self._label, score=1.0),)

    def finish(self, now_ns: int) -> Sequence[Event]:
        return ()


class Waiter(Echo):
    """A perceiver that speaks only 200 ms after its sample."""

    def __init__(self) -> None:
        super().__init__()
        self._due: int | None = None
        self._pending: Sample | None = None

    def perceive(self, sample: Sample) -> Sequence[Event]:
        self._due, self._pending = sample.at_ns + 200 * MS, sample
        return ()

    def next_due_ns(self) -> int | None:
        return self._due

    def tick(self, now_ns: int) -> Sequence[Event]:
        if self._due is None or now_ns < self._due or self._pending is None:
            return ()
        said = [self._stream.event(self._due, label="waited", score=1.0)]
        self._due = self._pending = None
        return said


class Script:
    """A sensor that gives what it was handed, dated now, then fails, waits, or ends."""

    def __init__(self, *samples: Sample, then: Callable[[], AsyncGenerator[Sample, None]] | None = None) -> None:
        self.name = "script"
        self.modality = Modality.TEXT
        self._samples = samples
        self._then = then

    async def samples(self, clock: Clock) -> AsyncGenerator[Sample, None]:
        for sample in self._samples:
            yield replace(sample, at_ns=clock.now_ns())
        if self._then is not None:
            async for sample in self._then():
                yield sample


class Ear:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []
        self.events: list[Event] = []
        self.windows: list[Window] = []
        self.symbols: list[Symbol] = []
        self.episodes: list[Episode] = []
        self.statuses: list[tuple[str, dict[str, object]]] = []

    def on_sample(self, sample: Sample) -> None:
        self.samples.append(sample)

    def on_event(self, event: Event) -> None:
        self.events.append(event)

    def on_window(self, window: Window) -> None:
        self.windows.append(window)

    def on_symbol(self, symbol: Symbol) -> None:
        self.symbols.append(symbol)

    def on_episode(self, episode: Episode) -> None:
        self.episodes.append(episode)

    def on_status(self, kind: str, **what: object) -> None:
        self.statuses.append((kind, what))
