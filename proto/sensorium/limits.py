"""How large what crosses the wire may be: the numbers the .proto comments promise."""

from __future__ import annotations

from typing import Final

NAME_BYTES: Final = 200
"""Ids, labels, concepts, names of streams, stages and models, MIME types, keys of metadata."""
TEXT_BYTES: Final = 4096
"""Words, descriptions, reasons, values of metadata."""
MEDIA_BYTES: Final = 1 << 20
METADATA_ENTRIES: Final = 32
TENSOR_DIMENSIONS: Final = 4
TENSOR_NUMBERS: Final = 65_536
EVENTS_PER_SLOT: Final = 256
WINDOWS_PER_MESSAGE: Final = 256
ANSWERS_PER_MESSAGE: Final = 256
ALTERNATIVES: Final = 256
DOMAINS: Final = 64
STAGES: Final = 64
MODELS: Final = 64
TIMELINE_ENTRIES: Final = 6 * EVENTS_PER_SLOT
"""Every event of a full window."""
SOURCES_PER_DEVICE: Final = 16
SPAN_NS: Final = (1 << 63) - 1
"""Spans of time travel as int64; two times may be further apart."""
READINGS_PER_MESSAGE: Final = 256
VALUES_PER_READING: Final = 4096
DEVICE_NAME_BYTES: Final = 60
"""Names of devices and of their sources: both stand in the name of a stream."""
TAUGHT_CONCEPTS: Final = 64
"""That one device may teach, and for each of them:"""
TAUGHT_PARAPHRASES: Final = 16
TAUGHT_LABELS: Final = 32
