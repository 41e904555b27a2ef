"""What device and cloud say to each other about windows and symbols on a Fuse stream.

Names and order are those of ``sensorium/v1/fusion.proto``, which tells the protocol.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sensorium.concepts import Concept
from sensorium.errors import FieldError
from sensorium.symbol import Symbol
from sensorium.value import Value
from sensorium.window import Window

INVALID_ARGUMENT: Final = 3
"""gRPC status code of a final refusal: the same window would be refused again."""
RESOURCE_EXHAUSTED: Final = 8
"""gRPC status code of "not now": the same window may be tried again."""


@dataclass(frozen=True, slots=True)
class Hello:
    """The device's first message.

    Attributes:
        device_id: name of the device.
        spool_id: name of the spool the sequences belong to; a new spool has a new name.
        boot_id: identifies one boot of the device's clock.
        wall_offset_ns: wall clock minus monotonic clock, now.
        wall_error_ns: half width of the interval that holds the true offset.
        software: name and version.
        taught: concepts that the device was taught, and taught signs of known ones; see `concepts.extended`.
        takes_several: whether the device takes several answers in one message.
    """

    device_id: str
    spool_id: str
    boot_id: str = ""
    wall_offset_ns: int = 0
    wall_error_ns: int = 0
    software: str = ""
    taught: tuple[Concept, ...] = ()
    takes_several: bool = False


@dataclass(frozen=True, slots=True)
class Welcome:
    """The service's answer to `Hello`.

    Attributes:
        resume_after: every window of this spool up to this sequence is safe there; 0 if none.
        max_in_flight: how many windows may be unanswered, at least 1.
        max_message_bytes: largest message taken, at least 1.
        software: name and version.
    """

    resume_after: int
    max_in_flight: int
    max_message_bytes: int
    software: str = ""


class SequencedWindow(Value, frozen=True):
    """A window with its place in the device's spool.

    Attributes:
        sequence: counted from 1.
        window: the window.
        patience_ms: for how long after it has come its answer is of use; 0: as long as the service likes.
        content: the window's content hash, if whoever read it has taken it already; no part of what compares, for the
            window says it all.
    """

    sequence: int
    window: Window
    patience_ms: int = 0
    content: str = ""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SequencedWindow) and self._compared == other._compared

    def __hash__(self) -> int:
        return hash(self._compared)

    @property
    def _compared(self) -> tuple[int, Window, int]:
        return self.sequence, self.window, self.patience_ms


@dataclass(frozen=True, slots=True)
class SequencedSymbol:
    """The refined symbol of the window with this sequence."""

    sequence: int
    symbol: Symbol


@dataclass(frozen=True, slots=True)
class Ack:
    """Every window up to ``through`` is safe with the service."""

    through: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a window or message was not fused; the stream lives on.

    Attributes:
        sequence: the window's sequence; 0 if the message as a whole is meant.
        code: gRPC status code, `INVALID_ARGUMENT` or `RESOURCE_EXHAUSTED`.
        field: path of the field that is wrong; empty if none is.
        reason: what is wrong with it, and what would be right.
        retry_after_ms: when to try again; 0 if never.
    """

    sequence: int
    code: int
    field: str = ""
    reason: str = ""
    retry_after_ms: int = 0

    @classmethod
    def of(cls, error: FieldError, sequence: int = 0) -> Refusal:
        """The final refusal that tells a client about ``error``."""
        return cls(sequence, INVALID_ARGUMENT, error.field, error.reason)

    @property
    def final(self) -> bool:
        """Whether trying again is of no use."""
        return self.code == INVALID_ARGUMENT


Request = Hello | tuple[SequencedWindow | Refusal, ...]
"""What a service finds in a client's message: a greeting, or windows, each good or refused."""
Response = Welcome | Ack | SequencedSymbol | Refusal
"""What a service says."""
