"""Wording: which words a line has, in any script, before anybody asks what they mean."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Final

LONGEST: Final = 64
"""Words of a line that are looked at."""
_COURTESY: Final = frozenset(
    ("please", "kindly", "could", "would", "can", "will", "you", "just", "now", "so", "well", "um", "uh", "hey", "ok")
)
_HESITATION: Final = "ah aha eh er erm hm hmm hmmm huh mm mmm oh uh uhm um umm"
_POINTING: Final = "an he her him his i it its me mine my she that the their them these they this those us we you your"
_JOINING: Final = (
    "also although and as because but either for however if just like nor now or since so than then though too very "
    "well while"
)
_BEING: Final = (
    "am are be been being can could did do does had has have is may might must shall should was were will would"
)
_RELATING: Final = "about at by from of to with"
_ASKING: Final = "how what when where which who why"
_EMPTY: Final = frozenset(f"{_HESITATION} {_POINTING} {_JOINING} {_BEING} {_RELATING} {_ASKING}".split())
"""Words that say nothing by themselves. Directions ("on", "up", "over") and numbers do."""
_DENIABLE: Final = "are ca could did do does had has have is must should was were wo would"
_APOSTROPHE: Final = {f"{word}nt": f"{word}n't" for word in _DENIABLE.split()}
"""As many type them: "dont" is "don't"."""
_APOSTROPHES: Final = str.maketrans({"\N{RIGHT SINGLE QUOTATION MARK}": "'", "\N{MODIFIER LETTER APOSTROPHE}": "'"})
_OVER_OR_UNDER: Final = 200
"""From this combining class on a mark is an accent; below are vowels and signs without which a word is another one."""
_CHARACTER_WORDS: Final = ("CJK UNIFIED", "CJK COMPATIBILITY", "HIRAGANA", "KATAKANA")
_REMEMBERED: Final = 2048


@lru_cache(_REMEMBERED)
def words(line: str) -> tuple[str, ...]:
    """The words of ``line`` without regard to case, width and punctuation; in scripts without spaces each character.

    "don’t" is one word, and so is "dont".
    """
    plain = unicodedata.normalize("NFKC", line.translate(_APOSTROPHES)).casefold().translate(_APOSTROPHES)
    apart = "".join(map(_spaced, plain)).split()
    found = (word.strip("'") for word in apart)
    return tuple(_APOSTROPHE.get(word, word) for word in found if any(map(str.isalnum, word)))[:LONGEST]


def _spaced(character: str) -> str:
    if character.isascii():
        return character if character.isalnum() or character == "'" else " "
    if unicodedata.name(character, "").startswith(_CHARACTER_WORDS):
        return f" {character} "
    # Vowel signs and accents belong to the letter before them.
    return character if character.isalnum() or unicodedata.category(character).startswith("M") else " "


def meant(line: str) -> tuple[str, ...]:
    """The words without courtesies; those stay where there is nothing else."""
    found = words(line)
    return tuple(word for word in found if word not in _COURTESY) or found


def bare(word: str) -> str:
    """The word without accents and a plural's s: "désactive" as it is typed without a French keyboard."""
    if not word.isascii():
        apart = unicodedata.normalize("NFD", word)
        word = unicodedata.normalize("NFC", "".join(c for c in apart if unicodedata.combining(c) < _OVER_OR_UNDER))
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "'s")) else word


def says_nothing(line: str) -> bool:
    """Whether no word of ``line`` says anything by itself: "hm", "a", "and then the", "?!"."""
    return all(word in _EMPTY or (len(word) == 1 and word.isascii() and word.isalpha()) for word in words(line))
