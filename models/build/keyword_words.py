"""What is said to train the keyword network: the keywords, words that sound like them, others, and sentences."""

from __future__ import annotations

import tomllib
from pathlib import Path

from sensorium_agent.infer.sound.keyword import KEYWORDS

__all__ = ["KEYWORDS", "MISTAKEN", "NEAR", "OTHER_WORDS", "SENTENCES"]

_WORDS = tomllib.loads(Path(__file__).with_suffix(".toml").read_text())

MISTAKEN = frozenset(_WORDS["mistaken"].split())
NEAR = tuple(_WORDS["near"].split())
OTHER_WORDS = tuple(_WORDS["other"].split())
SENTENCES = tuple(_WORDS["sentences"])
