"""Cuts single words out of what people said in sentences, for the keyword network to learn from or to be measured with.

    python models/build/keyword_people.py AN4 OUT [--part train]

AN4 is the census corpus of Carnegie Mellon University (1991; free for any purpose, with its notice): 74 people to train
on and 10 others to measure with spell names, addresses and numbers, and say a few commands. ``AN4/etc`` has what they
said, ``AN4/wav`` the sound (16 kHz, big-endian). PocketSphinx finds where each word begins and ends.
OUT/census/WORD/SPEAKER-0-NUMBER.wav is one word; with ``--part test``, OUT/WORD/SPEAKER_NUMBER.wav.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from keyword_voices import RATE_HZ, write

MARGIN_S = 0.02
"""What is kept of the sound around a word."""
SHORTEST_S = 0.12
"""Less than that is an alignment that failed."""
_FRAMES_A_SECOND = 100
Pcm = npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Sentence:
    """What somebody said: words in capitals, and where its sound is."""

    words: tuple[str, ...]
    path: Path

    @property
    def speaker(self) -> str:
        """Four letters of which the first is the sex."""
        return self.path.parent.name


def sentences(corpus: Path, part: str) -> Iterator[Sentence]:
    """What the people of the part ``train`` or ``test`` said."""
    said = (corpus / "etc" / f"an4_{part}.transcription").read_text().splitlines()
    where = (corpus / "etc" / f"an4_{part}.fileids").read_text().split()
    for line, name in zip(said, where, strict=True):
        words = re.sub(r"\(.*?\)|</?s>", " ", line).split()
        yield Sentence(tuple(words), corpus / "wav" / f"{name}.raw")


class Aligner:
    """Finds the words of a sentence in its sound."""

    def __init__(self) -> None:
        from pocketsphinx import Decoder

        self._decoder: Any = Decoder(lm=None, loglevel="FATAL")

    def __call__(self, words: tuple[str, ...], pcm: Pcm) -> list[tuple[str, Pcm]]:
        """Each word with its sound; nothing where the sentence was not found in it."""
        self._decoder.set_align_text(" ".join(word.lower() for word in words))
        self._decoder.start_utt()
        self._decoder.process_raw(pcm.tobytes(), full_utt=True)
        self._decoder.end_utt()
        if self._decoder.hyp() is None:
            return []
        found = []
        for segment in self._decoder.seg():
            word = re.sub(r"\(\d\)$", "", segment.word)
            begin, end = segment.start_frame / _FRAMES_A_SECOND, (segment.end_frame + 1) / _FRAMES_A_SECOND
            if word.isalpha() and end - begin >= SHORTEST_S:
                found.append(
                    (word, pcm[max(round((begin - MARGIN_S) * RATE_HZ), 0) : round((end + MARGIN_S) * RATE_HZ)])
                )
        return found


def faded(pcm: Pcm) -> npt.NDArray[np.float32]:
    """In -1 to 1, with 10 ms to rise and to fall: no click where the neighbour was cut off."""
    sound = pcm.astype(np.float32) / 32768
    ramp = np.minimum(np.arange(len(sound)) / 160, 1).astype(np.float32)
    return np.asarray(sound * ramp * ramp[::-1], np.float32)


def main() -> None:
    """Cut a corpus into words."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--part", choices=("train", "test"), default="train")
    options = parser.parse_args()
    align, count = Aligner(), 0
    for number, sentence in enumerate(sentences(options.corpus, options.part)):
        pcm = np.fromfile(sentence.path, ">i2").astype(np.int16)
        for place, (word, sound) in enumerate(align(sentence.words, pcm)):
            name = f"{sentence.speaker}-0-{number:04d}{place:02d}.wav"
            folder = Path("census") / word
            if options.part == "test":
                name, folder = f"{sentence.speaker}_{number:04d}{place:02d}.wav", Path(word)
            write(options.out / folder / name, faded(sound))
            count += 1
    print(f"{count} words")


if __name__ == "__main__":
    main()
