"""Sentences to learn from: a file, or standard input, with one a line."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from sensorium import limits
from sensorium_agent.capture.files import BadFile, read_text
from sensorium_agent.infer.taught import TaughtError

_STANDARD_INPUT: Final = "-"
_LONGEST: Final = limits.TEXT_BYTES // 4


def sentences_in(source: str, most: int | None = None) -> list[str]:
    """The lines of ``source`` ("-" is standard input) that are not blank, at most ``most``.

    Raises:
        TaughtError: it cannot be read, is empty, or a line is too long for a sentence.
    """
    try:
        text = sys.stdin.read() if source == _STANDARD_INPUT else read_text(Path(source))
    except (BadFile, UnicodeDecodeError) as error:
        raise TaughtError(f"{source}: not UTF-8 text; give a file with a sentence a line") from error
    except OSError as error:
        raise TaughtError(f"{source}: {error.strerror}; check the path") from error
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise TaughtError(f"{source}: holds no sentence; write one a line")
    if any(len(line) > _LONGEST for line in lines):
        raise TaughtError(f"{source}: a line has more than {_LONGEST} characters; write one sentence a line")
    return lines[: limits.TAUGHT_PARAPHRASES if most is None else most]
