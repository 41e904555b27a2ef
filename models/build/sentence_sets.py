"""Reads the public collections of labelled sentences that `sentence_space` is trained on, as their authors keep them.

CHECKOUTS/few-shot-intent    github: jianguoz/Few-Shot-Intent-Detection, for its copies of
                             HWU64 (Liu et al. 2019, CC BY 4.0), BANKING77 (Casanueva et al. 2020, CC BY 4.0)
                             and SNIPS (Coucke et al. 2018, CC0)
CHECKOUTS/rasa-demo          github: RasaHQ/rasa-demo, Apache-2.0
CHECKOUTS/rasa-data          github: RasaHQ/NLU-training-data, Apache-2.0
CHECKOUTS/home-assistant     github: home-assistant/intents, CC BY 4.0
CHECKOUTS/leon               github: leon-ai/leon, MIT
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

Said = Sequence[tuple[str, str]]
"""Sentences, each with its intent's name in words."""

_SEED: Final = 2026
_MOST: Final = 100
"""Sentences of an intent; the largest would outweigh the others."""
_LEAST: Final = 4
_ENTITY: Final = re.compile(r"\[([^\]|]+)[^\]]*\](?:\([^)]*\)|\{[^}]*\})?")
"""A marked part of an example: [Berlin](city), [Berlin]{...}, [Berlin|Paris]."""


class NoCollection(SystemExit):
    """A checkout is not where it should be."""


def read(checkouts: Path, name: str) -> Said:
    """The sentences of a collection, at most a hundred of an intent, in an order that is always the same.

    Raises:
        NoCollection: one line that says which folder is missing.
    """
    own: dict[str, set[str]] = {}
    for text, intent in COLLECTIONS[name](checkouts):
        if text.strip():
            own.setdefault(named(intent), set()).add(text.strip())
    if not own:
        raise NoCollection(f"{checkouts}: has no sentences of {name}; see models/build/sentence_sets.py")
    rng = random.Random(_SEED)  # noqa: S311 - a draw of sentences
    said: list[tuple[str, str]] = []
    for intent, texts in sorted(own.items()):
        if len(texts) >= _LEAST:
            said += [(text, intent) for text in rng.sample(sorted(texts), min(len(texts), _MOST))]
    return said


def named(intent: str) -> str:
    """An intent's name in words: "iot_hue_lightoff" and "GetWeather" as one would say them."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", intent)
    return re.sub(r"[\W_]+", " ", apart).strip().lower()


def _lined(folder: str, checkouts: Path) -> Iterator[tuple[str, str]]:
    """Sentences and labels in two files, line by line."""
    for split in ("train", "valid", "test"):
        place = checkouts / "few-shot-intent" / "Datasets" / folder / split
        if place.is_dir():
            texts, labels = ((place / file).read_text(encoding="utf-8").splitlines() for file in ("seq.in", "label"))
            yield from zip(texts, labels, strict=True)


def _rasa(folder: str, checkouts: Path) -> Iterator[tuple[str, str]]:
    """Rasa's training data: lists of examples by intent."""
    import yaml

    for file in sorted((checkouts / folder).rglob("*.yml")):
        if "nlu" not in file.parts[-2:] and file.name != "nlu.yml":
            continue
        for entry in yaml.safe_load(file.read_text(encoding="utf-8")).get("nlu", ()):
            for line in entry.get("examples", "").splitlines() if "intent" in entry else ():
                yield _ENTITY.sub(r"\1", line.strip().removeprefix("- ")), entry["intent"].rpartition("/")[2]


def _home_assistant(checkouts: Path) -> Iterator[tuple[str, str]]:
    """The sentences that its tests ask about."""
    import yaml

    for file in sorted((checkouts / "home-assistant" / "tests" / "en").glob("*_*.yaml")):
        domain = file.name.partition("_Hass")[0]
        for test in yaml.safe_load(file.read_text(encoding="utf-8")).get("tests", ()):
            if domain and "intent" in test:
                intent = f"{test['intent']['name'].removeprefix('Hass')} {domain}"
                yield from ((text, intent) for text in test["sentences"])


def _leon(checkouts: Path) -> Iterator[tuple[str, str]]:
    """The samples of its skills' actions; what is only "run" is named after its skill."""
    for file in sorted((checkouts / "leon" / "skills").glob("*/*/config/en.json")):
        skill = file.parts[-3]
        for action, what in json.loads(file.read_text(encoding="utf-8")).get("actions", {}).items():
            intent = skill if action == "run" else f"{skill} {action}" if action in ("start", "setup") else action
            yield from ((_ENTITY.sub(r"\1", text), intent) for text in what.get("utterance_samples", ()))


COLLECTIONS: Final[Mapping[str, Callable[[Path], Iterator[tuple[str, str]]]]] = {
    "hwu64": partial(_lined, "HWU64"),
    "banking77": partial(_lined, "BANKING77"),
    "snips": partial(_lined, "SNIPS"),
    "rasa_demo": partial(_rasa, "rasa-demo"),
    "rasa_data": partial(_rasa, "rasa-data"),
    "home_assistant": _home_assistant,
    "leon": _leon,
}
