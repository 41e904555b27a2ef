"""What a whole session has in common: who recorded it, on which clock, with which settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from sensorium.errors import SensoriumError
from sensorium.event import Modality

SESSION: Final = "sensorium.session"
"""Name of the metadata record that makes an MCAP file one of ours."""
LOSSES: Final = "sensorium.losses"
"""Name of the metadata record with what was lost, written at the end."""
_VERSION: Final = "1"


class RecordError(SensoriumError):
    """A recording that cannot be written or read; one line with the file, the reason and the way out."""


@dataclass(frozen=True, slots=True)
class Session:
    """A recorded session.

    Attributes:
        id: its name, which its events and windows bear.
        modalities: those its windows have a slot for.
        start_ns: when its first window may begin, on the device's monotonic clock.
        wall_offset_ns: wall clock minus monotonic clock when it began; it maps every time of the file to wall time.
        boot_id: whose monotonic clock it was; empty for files that were played at once.
        device: the device's name.
        software: name and version.
        settings: as JSON, those that decide what windows and symbols become; no addresses and no secrets.
        concepts: the user's own concepts file; empty for the built-in one.
    """

    id: str
    modalities: tuple[Modality, ...]
    start_ns: int
    wall_offset_ns: int
    boot_id: str = ""
    device: str = ""
    software: str = ""
    settings: str = "{}"
    concepts: str = ""

    @property
    def live(self) -> bool:
        """Whether it happened in real time: files that are played at once have no clock but their own."""
        return bool(self.boot_id)

    def metadata(self) -> dict[str, str]:
        """As a metadata record."""
        return {
            "version": _VERSION,
            "id": self.id,
            "modalities": ",".join(self.modalities),
            "start_ns": str(self.start_ns),
            "wall_offset_ns": str(self.wall_offset_ns),
            "boot_id": self.boot_id,
            "device": self.device,
            "software": self.software,
            "settings": self.settings,
            "concepts": self.concepts,
        }

    @classmethod
    def of(cls, metadata: Mapping[str, str]) -> Self:
        """From its metadata record.

        Raises:
            ValueError: an entry is missing or wrong, or it was written by a version to come.
        """
        if metadata.get("version") != _VERSION:
            raise ValueError(f"version {metadata.get('version')} of the format; this software reads {_VERSION}")
        try:
            return cls(
                metadata["id"],
                tuple(Modality(m) for m in metadata["modalities"].split(",") if m),
                int(metadata["start_ns"]),
                int(metadata["wall_offset_ns"]),
                metadata["boot_id"],
                metadata["device"],
                metadata["software"],
                metadata["settings"],
                metadata.get("concepts", ""),
            )
        except KeyError as error:
            raise ValueError(f"no {error.args[0]!r} in {SESSION}") from error
