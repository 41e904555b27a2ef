"""Other devices as a sensor: what a phone or a watch sends comes in with times of our clock.

The decisions of the Connect protocol, told the time; `sensorium_agent._app.api` moves the bytes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncGenerator, Collection
from dataclasses import dataclass, field
from typing import Final

from sensorium.clock import Clock
from sensorium.clock_sync.probe_clock import Probe
from sensorium.clock_sync.remote_clock import RemoteClock, SourceClock
from sensorium.delivery import INVALID_ARGUMENT
from sensorium.device import ClockAnswer, ClockQuestion, ConnectRefusal, Introduction, Reading, Receipt, Request, Source
from sensorium.errors import FieldError
from sensorium.event import Conductance, Intervals, Labelled, Modality, Pulse, Sample, Text, Touch
from sensorium_agent.capture.sensor import Handoff

_MS: Final = 1_000_000
_KEPT: Final = 1024
"""Samples that may wait for the loop."""
_DEVICES: Final = 16
"""Devices whose clocks and numbers are remembered; the one not heard of for longest is forgotten."""
_BURST: Final = 4
_ASK_NS: Final = 20 * _MS
_REST_NS: Final = 2_000 * _MS
_HASTE_NS: Final = 250 * _MS
_HASTY_BURSTS: Final = 4
"""The first bursts come quickly: until they are answered times are rough."""
_UNANSWERED: Final = 16
_LONGEST_GAP: Final = 1_000_000
"""A greater jump of the numbers is no loss but another way to count."""
_RESTART_NS: Final = 1_000 * _MS
"""A small number stamped so much later than the newest is of a source that counts anew, not one sent again."""

_CARRIES: Final = {
    Modality.TEXT: (Text,),
    Modality.HAPTIC: (Touch,),
    Modality.BIOMETRIC: (Pulse, Intervals, Conductance),
}
"""What raw readings a sense has; every sense may have labelled ones."""


class Questions:
    """When to ask a device for its clock, and what its answers say: bursts of four every two seconds."""

    def __init__(self, now_ns: int) -> None:
        self.due_ns = now_ns
        self._next = 0
        self._asked: OrderedDict[int, int] = OrderedDict()

    def ask(self, now_ns: int) -> ClockQuestion:
        """The question that is due, to be sent at once."""
        number, self._next = self._next, self._next + 1
        self._asked[number] = now_ns
        if len(self._asked) > _UNANSWERED:
            self._asked.popitem(last=False)
        burst, place = divmod(self._next, _BURST)
        rest_ns = _HASTE_NS if burst < _HASTY_BURSTS else _REST_NS
        self.due_ns = now_ns + (_ASK_NS if place else rest_ns)
        return ClockQuestion(number)

    def answered(self, answer: ClockAnswer, now_ns: int) -> Probe:
        """The probe that an answer completes.

        Raises:
            FieldError: nobody asked, or too long ago.
        """
        sent_ns = self._asked.pop(answer.number, None)
        if sent_ns is None:
            raise FieldError("answer.number", f"that of a question of this stream, asked lately, not {answer.number}")
        return Probe(sent_ns, answer.received_ns, answer.answered_ns, now_ns)


@dataclass(slots=True)
class _Stream:
    """One source of a device: how it is dated, and which of its readings was taken last."""

    source: Source
    clock: SourceClock
    newest: int = -1
    stamp_ns: int = 0
    """Of that reading, on the device's clock."""

    def counts_anew(self, reading: Reading) -> bool:
        """Whether an app was started again in the same boot: what is sent again has the stamp it had before."""
        return reading.sequence <= self.newest and reading.stamp_ns - self.stamp_ns > _RESTART_NS


@dataclass(slots=True)
class Device:
    """One boot of a device, across all its streams.

    Attributes:
        name: its ``device_id``.
        clock: its clock.
        duplicates: readings that came again, and were not taken twice.
    """

    name: str
    clock: RemoteClock = field(default_factory=RemoteClock)
    duplicates: int = 0
    _streams: dict[str, _Stream] = field(default_factory=dict)

    def introduce(self, sources: Collection[Source]) -> None:
        """What readings come from now on; a source that is known goes on."""
        for source in sources:
            known = self._streams.get(source.name)
            if known is None or known.source != source:
                self._streams[source.name] = self._begun(source)
        self._streams = {source.name: self._streams[source.name] for source in sources}

    def _begun(self, source: Source) -> _Stream:
        clock = SourceClock(self.clock, period_ns=source.period_ns, resolution_ns=source.resolution_ns)
        return _Stream(source, clock)

    def take(self, reading: Reading, now_ns: int) -> tuple[Sample | None, int]:
        """The reading's sample, not yet numbered, and how many were lost before it; None if it came before.

        Raises:
            FieldError: its source was not introduced, or measures something else.
        """
        stream = self._streams.get(reading.source)
        if stream is None:
            raise FieldError("source", f"one of {', '.join(self._streams)}, as introduced, not {reading.source}")
        modality = stream.source.modality
        if not isinstance(reading.data, (*_CARRIES.get(modality, ()), Labelled)):
            raise FieldError("data", f"what {modality} measures, not {type(reading.data).__name__.lower()}")
        if stream.counts_anew(reading):
            stream = self._streams[reading.source] = self._begun(stream.source)
        if reading.sequence <= stream.newest:
            self.duplicates += 1
            return None, 0
        lost, stream.newest, stream.stamp_ns = reading.sequence - stream.newest - 1, reading.sequence, reading.stamp_ns
        dated = stream.clock.date(reading.sequence, reading.stamp_ns, now_ns)
        name = f"{self.name}/{reading.source}"
        sample = Sample(modality, name, 0, dated.at_ns, reading.data, dated.error_ns)
        return sample, lost if lost <= _LONGEST_GAP else 0


class Companion:
    """All other devices together, as one sensor.

    Args:
        modalities: the senses that are taken from them, in the order of `Modality`.
        name: the sensor's; its samples' sources are called ``device/source``.
    """

    def __init__(self, modalities: Collection[Modality], *, name: str = "companion") -> None:
        self.name: Final = name
        self.modality: Final = next(m for m in Modality if m in modalities)
        self._modalities = frozenset(modalities)
        self._devices: OrderedDict[tuple[str, str], Device] = OrderedDict()
        self._handoff: Handoff[Sample] | None = None
        self._number = 0

    async def samples(self, clock: Clock) -> AsyncGenerator[Sample, None]:  # noqa: ARG002 - dated when they came
        """What the devices send, for ever; a gap in the numbers is a loss, theirs or ours."""
        handoff: Handoff[Sample] = Handoff(_KEPT)
        self._handoff, self._number = handoff, 0
        try:
            async for sample in handoff.items():
                yield sample
        finally:
            self._handoff = None

    def greet(self, introduction: Introduction, now_ns: int) -> Visit:
        """A device has come, perhaps again.

        Raises:
            FieldError: it brings a sense that is not taken here.
        """
        for i, source in enumerate(introduction.sources):
            if source.modality not in self._modalities:
                taken = ", ".join(m for m in Modality if m in self._modalities)
                reason = f"one of {taken}, as [companion] in the agent's settings says, not {source.modality}"
                raise FieldError(f"introduction.sources[{i}].modality", reason)
        key = introduction.device_id, introduction.boot_id
        device = self._devices.setdefault(key, Device(introduction.device_id))
        self._devices.move_to_end(key)
        if len(self._devices) > _DEVICES:
            self._devices.popitem(last=False)
        device.introduce(introduction.sources)
        return Visit(self, device, now_ns)

    def give(self, sample: Sample, lost: int) -> None:
        """Number a sample and hand it to the pipeline; from the event loop's thread."""
        number = self._number + lost
        self._number = number + 1
        if self._handoff is not None:
            numbered = Sample(
                sample.modality, sample.source, number, sample.at_ns, sample.data, at_error_ns=sample.at_error_ns
            )
            self._handoff.put(numbered)


class Visit:
    """One stream of a device, after its introduction; made by `Companion.greet`."""

    def __init__(self, companion: Companion, device: Device, now_ns: int) -> None:
        self._companion = companion
        self._device = device
        self.questions = Questions(now_ns)

    def hear(self, request: Request | ConnectRefusal, now_ns: int) -> list[Receipt | ConnectRefusal]:
        """Take what the device said at ``now_ns``; the answers to it, refusals first."""
        match request:
            case ConnectRefusal():
                return [request]
            case Introduction():
                return [ConnectRefusal(INVALID_ARGUMENT, "introduction", "once, as the first message of a stream")]
            case ClockAnswer():
                return self._answered(request, now_ns)
            case _:
                return self._read(request, now_ns)

    def _answered(self, answer: ClockAnswer, now_ns: int) -> list[Receipt | ConnectRefusal]:
        try:
            self._device.clock.probe(self.questions.answered(answer, now_ns))
        except FieldError as error:
            return [ConnectRefusal.of(error)]
        return []

    def _read(self, readings: tuple[Reading | ConnectRefusal, ...], now_ns: int) -> list[Receipt | ConnectRefusal]:
        refused: list[Receipt | ConnectRefusal] = []
        through: dict[str, int] = {}
        for i, reading in enumerate(readings):
            if isinstance(reading, ConnectRefusal):
                refused.append(reading)
                continue
            try:
                sample, lost = self._device.take(reading, now_ns)
            except FieldError as error:
                refused.append(ConnectRefusal.of(error.inside(f"readings[{i}]")))
                continue
            through[reading.source] = max(through.get(reading.source, 0), reading.sequence)
            if sample is not None:
                self._companion.give(sample, lost)
        return [*refused, *(Receipt(source, number) for source, number in through.items())]
