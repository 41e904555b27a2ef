"""What can go wrong at the boundaries, named for whoever has to act on it."""

from __future__ import annotations

from typing import ClassVar


class SensoriumError(Exception):
    """Root of every error a user may meet; its text is one line that says how to mend it.

    Attributes:
        exit_code: how a command ends with it: 1 something failed, 2 the command line or the settings are wrong,
            3 models are missing or damaged.
    """

    exit_code: ClassVar[int] = 1


class FieldError(SensoriumError, ValueError):
    """A value from outside was refused.

    Attributes:
        field: path of the value in its message, for example ``windows[0].slots[2].events[1].score``.
        reason: what is wrong with it, and what would be right.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason

    def inside(self, prefix: str) -> FieldError:
        """The same error, seen from the message that contains this one."""
        joint = "" if self.field.startswith("[") or not self.field else "."
        return FieldError(f"{prefix}{joint}{self.field}", self.reason)
