"""What other devices and the agent say to each other: the nouns of a Connect stream."""

from __future__ import annotations

from dataclasses import dataclass

from sensorium.delivery import INVALID_ARGUMENT
from sensorium.errors import FieldError
from sensorium.event import Conductance, Intervals, Labelled, Modality, Pulse, Text, Touch


@dataclass(frozen=True, slots=True)
class Source:
    """One sensor of a device.

    Attributes:
        name: its name on that device.
        modality: the sense of its readings.
        period_ns: from one reading to the next; 0 if it speaks when it likes.
        resolution_ns: unit of its stamps.
    """

    name: str
    modality: Modality
    period_ns: int = 0
    resolution_ns: int = 1_000_000


@dataclass(frozen=True, slots=True)
class Introduction:
    """A device's first message.

    Attributes:
        device_id: its name.
        boot_id: identifies one boot of its clock; a new boot begins with new numbers.
        sources: what readings will come, each name once.
    """

    device_id: str
    boot_id: str
    sources: tuple[Source, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """Something measured.

    Attributes:
        source: which of the introduced sources.
        sequence: counts its readings from 0; a gap is a loss.
        stamp_ns: when its data were complete, on the device's clock.
        data: what was measured.
    """

    source: str
    sequence: int
    stamp_ns: int
    data: Text | Touch | Pulse | Intervals | Conductance | Labelled


@dataclass(frozen=True, slots=True)
class ClockAnswer:
    """The device's clock when question ``number`` came and when this answer left."""

    number: int
    received_ns: int
    answered_ns: int


@dataclass(frozen=True, slots=True)
class Acceptance:
    """The agent's answer to `Introduction`; ``max_message_bytes`` is the largest message it takes."""

    max_message_bytes: int
    software: str = ""


@dataclass(frozen=True, slots=True)
class ClockQuestion:
    """Asks for the device's clock."""

    number: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """Everything of ``source`` up to number ``through`` was taken, or refused by name."""

    source: str
    through: int


@dataclass(frozen=True, slots=True)
class ConnectRefusal:
    """Why something was not taken; see `sensorium.delivery.Refusal` for ``code``."""

    code: int
    field: str = ""
    reason: str = ""

    @classmethod
    def of(cls, error: FieldError) -> ConnectRefusal:
        """The final refusal that tells a device about ``error``."""
        return cls(INVALID_ARGUMENT, error.field, error.reason)


Request = Introduction | tuple[Reading | ConnectRefusal, ...] | ClockAnswer
"""What an agent finds in a device's message: readings are each good or refused."""
Response = Acceptance | ClockQuestion | Receipt | ConnectRefusal
"""What an agent says."""
