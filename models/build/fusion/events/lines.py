"""What people say, by the concept it means: sentences written for this project, in frames, by split."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

from sensorium.concepts import Concept, Precedence, Vocabulary

Split = Literal["practice", "fit", "exam"]
SPLITS: Final[tuple[Split, ...]] = ("practice", "fit", "exam")
NOTHING_KNOWN: Final = ""
"""Name of what has no label: an unknown hand, noise, a stroke that is no gesture."""
DENIED: Final = "denied"
"""Name of commands that are told not to be done."""

_SENTENCES: Final = Path(__file__).with_name("sentences.toml")
_TEMPLATES: Final[Mapping[Split, Sequence[str]]] = {
    "practice": (
        *("{}", "please {}", "{} now", "could you {}", "okay {}", "{}, please", "hey, {}", "I said {}"),
        *("{} for me", "I want you to {}", "{} a little", "can you {}", "{} in the kitchen", "{}, thank you"),
    ),
    "fit": ("{}", "{} please"),
    "exam": ("{}", "well, {}"),
}
_DENIALS: Final[Mapping[Split, Sequence[str]]] = {
    "practice": (
        *(
            "don't {}",
            "do not {}",
            "you must not {}",
            "please don't {}, thank you",
            "{}? no, don't",
            "you should not {}",
        ),
        *("don't you dare {}", "under no circumstances {}", "I don't want you to {}", "there is no need to {}"),
        *("it is forbidden to {}", "you may not {}", "I'd rather you didn't {}", "better not {}", "let us not {}"),
        *("I did not say {}", "nobody should {}", "you are not allowed to {}", "refuse to {}", "avoid it: do not {}"),
        *(
            "I won't let you {}",
            "not now, don't {}",
            "no, don't {}",
            "at no time {}",
            "not ever {}",
            "you shouldn't {}",
        ),
        *(
            "I warned you against it, so don't {}",
            "he said we can not {}",
            "it is wrong to {}",
            "I asked you not to {} yet",
        ),
    ),
    "fit": ("please do not {}", "make sure you don't {}", "you mustn't {}", "on no account {}"),
    "exam": (
        "never {}",
        "I told you not to {}",
        "by no means {}",
        "nobody may {}",
        "you can't {} now",
        "I never asked you to {}",
    ),
}


def sentences(vocabulary: Vocabulary, split: Split) -> dict[str, list[str]]:
    """Lines by the concept they mean, and those that mean none under `NOTHING_KNOWN`."""
    written = tomllib.loads(_SENTENCES.read_text(encoding="utf-8"))
    lines = {c.name: list(_lines(c, written["say"].get(c.name, {}), split)) for c in vocabulary}
    return lines | {NOTHING_KNOWN: list(_own(written["unknown"], split))}


def practised(vocabulary: Vocabulary) -> dict[str, list[str]]:
    """What people may say that is in no vocabulary: the `practice` sentences as they are written."""
    written = tomllib.loads(_SENTENCES.read_text(encoding="utf-8"))
    own = {c.name: list(_own(written["say"].get(c.name, {}), "practice")) for c in vocabulary}
    return own | {NOTHING_KNOWN: list(_own(written["unknown"], "practice"))}


def denials(vocabulary: Vocabulary, split: Split) -> list[str]:
    """Commands, told not to be done: they mean none of the concepts."""
    doable = [c for c in vocabulary if c.precedence is Precedence.COMMAND and "ANSWER" not in c.domains]
    plain = [line for c in doable for line in c.phrases if not {"no", "not", "don't", "stop"} & set(line.split())]
    return _framed_by(_DENIALS[split], plain, most=6 if split == "practice" else len(_DENIALS[split]))


def _lines(concept: Concept, written: Mapping[str, Sequence[str]], split: Split) -> Sequence[str]:
    own = [*concept.phrases, *_own(written, split)] if split == "practice" else _own(written, split)
    return _framed_by(_TEMPLATES[split], own, most=4)


def _framed_by(templates: Sequence[str], lines: Sequence[str], most: int) -> list[str]:
    """Each line in ``most`` of the templates, which take turns; the first pair with the first line is always there."""
    count, step = min(most, len(templates)), len(templates) // most or 1
    return [
        templates[(n + step * turn) % len(templates)].format(line)
        for n, line in enumerate(lines)
        for turn in range(count)
    ]


def _own(written: Mapping[str, Sequence[str]], split: Split) -> Sequence[str]:
    """`fit` and `exam` take turns in what is never trained on."""
    if split == "practice":
        return written.get("practice", ())
    return written.get("exam", ())[split == "exam" :: 2]
