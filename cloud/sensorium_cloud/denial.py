"""Denial: what a sentence would say if it were not denied.

A sentence encoder compares meanings and does not parse: "never open the door" lies beside "open the door". English
marks a denial with few words, a closed class (Huddleston and Pullum 2002, chapter 9), so they are found by name.
Who reads the sentence (`reading`) compares it with itself without them: what was denied is left standing.
"""

from __future__ import annotations

import re
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
_AFTERTHOUGHT_WORDS: Final = 2
"""What is said before a mark that ends the sentence, if it is no longer than this, is no command: "certainly not"."""


def affirmed(text: str) -> str | None:
    """``text`` without its marks of denial; None where it has none, or where nothing is left that could be denied."""
    plain = _INABILITY.sub(" ", text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'"))
    mark = _MARKS.search(plain)
    if mark is None:
        return None
    before, after = plain[: mark.start()].split(), _words(plain[mark.end() :])
    if not after and len(before) <= _AFTERTHOUGHT_WORDS:
        return None
    return " ".join(_words(_MARKS.sub(" ", plain))) or None


def _words(text: str) -> list[str]:
    return [word for word in text.split() if any(map(str.isalnum, word))]
