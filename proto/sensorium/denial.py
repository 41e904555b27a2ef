"""Denial: what a sentence tells not to do, and what is left of it to be done.

A sentence encoder compares meanings and does not parse: "never open the door" lies beside "open the door", and shared
words are no better. English marks a denial with few words, a closed class (Huddleston and Pullum 2002, chapter 9), so
they are found by name. A mark that stands between two parts sets them against each other: "turn off the light, not
the music" tells to do the first.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_AUXILIARY: Final = (
    "do|does|did|would|could|should|must|need|may|might|will|wo|shall|sha|ca|can|is|are|was|were|had|have|has"
)
_MARKS: Final = re.compile(
    rf"""\b(?:
        (?:{_AUXILIARY})(?:n'?t|\s+not|\s+never)\b
      | cannot\b | not\b | never\b | no\b(?!,) | nobody\b | none\b | nothing\b | neither\b | nor\b | without\b
      | refus(?:e|ed|es|ing)\b | avoid(?:s|ed|ing)?\b | forb(?:id|ids|ade|idden)\b | prohibit(?:s|ed)?\b
      | wrong\b | mistake\b | instead\s+of\b | rather\s+than\b | anything\s+but\b
    )""",
    re.IGNORECASE | re.VERBOSE,
)
_INABILITY: Final = re.compile(r"\bI\s+(?:can'?t|cannot|can\s+not|couldn'?t|am\s+not)\b", re.IGNORECASE)
"""Says how things are, and denies nothing: "I can't get up" asks for help."""
_AGAINST: Final = re.compile(
    r"""
        (?: [,;:.!\u2013\u2014-] | \bbut\b | \band\b ) \s* (?:please\s+)?
        (?: (?:do|does)(?:n'?t|\s+not) | not | never | no )\b
      | \s (?: instead\s+of | rather\s+than | without )\b
      | (?P<bare> \s not \s+ (?= (?:the|my|your|this|that|these|those|on|off|up|down|left|right)\b ) )
    """,
    re.IGNORECASE | re.VERBOSE,
)
"""What stands before it is to be done, what follows is not. A bare "not" wants two words before it: "stop not"."""
_BUT_THIS: Final = re.compile(
    r"^\s*(?:please\s+)?(?:not|do\s+not|don'?t|never)\b(?P<denied>.+?)(?:,\s*|\s+)but\s+(?P<stands>.+)$", re.IGNORECASE
)
_WHEN: Final = frozenset(("now", "yet", "today", "tonight", "anymore", "again", "ever", "wait", "sorry", "thanks"))
"""After "not" they put off, or take back, all that was said: "turn on the light, not now"."""
_AUXILIARIES: Final = re.compile(_AUXILIARY, re.IGNORECASE)
_POINTS: Final = " ,.;:!?"
_A_PART: Final = 2
_AFTERTHOUGHT_WORDS: Final = 2
"""What stands before a mark that ends the sentence may, if it is no longer, be no command: "certainly not"."""


@dataclass(frozen=True, slots=True)
class Denial:
    """A sentence with marks of denial.

    Attributes:
        stands: what is to be done all the same; empty where nothing is.
        denied: the sentence as it would be without the marks; empty where something stands.
        afterthought: the mark comes last, after a word or two, which only where they are a command denies one.
    """

    stands: str = ""
    denied: str = ""
    afterthought: bool = False


def denial(text: str) -> Denial | None:
    """What ``text`` denies; None where it has no mark, or nothing that could be denied."""
    plain = _INABILITY.sub(" ", text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'"))
    mark = _MARKS.search(plain)
    if mark is None:
        return None
    if stands := _standing(plain):
        return Denial(stands=stands)
    before, after = plain[: mark.start()].split(), _words(plain[mark.end() :])
    denied = " ".join(_words(_MARKS.sub(" ", plain)))
    return Denial(denied=denied, afterthought=not after and len(before) <= _AFTERTHOUGHT_WORDS) if denied else None


def affirmed(text: str) -> str | None:
    """``text`` without its marks of denial; None where it has none, or where nothing is left that could be denied."""
    found = denial(text)
    return None if found is None or found.afterthought else found.denied or None


def _standing(plain: str) -> str:
    """The part of a sentence that is to be done beside one that is not."""
    if turned := _BUT_THIS.match(plain):
        return turned["stands"].strip()
    against = _AGAINST.search(plain)
    if against is None or _MARKS.search(plain[: against.start()]):
        return ""
    before, after = _words(plain[: against.start()]), _words(_MARKS.sub(" ", plain[against.end() :]))
    if not before or not after or _WHEN.issuperset([after[0].strip(_POINTS).lower()]):
        return ""
    if against["bare"] and (len(before) < _A_PART or _AUXILIARIES.fullmatch(before[-1])):
        return ""
    return " ".join(before).strip(_POINTS)


def _words(text: str) -> list[str]:
    return [word for word in text.split() if any(map(str.isalnum, word))]
