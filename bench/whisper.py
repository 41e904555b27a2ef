"""What Whisper hears, and what it costs: ``python bench/whisper.py``.

Real recordings of the pocketsphinx samples (readers, playing cards, a command to a robot) by word error rate, with a
95 % interval by bootstrap over recordings; silence, noise and tones, in which nobody speaks. Needs the extra "whisper":
    sensorium-cloud models fetch whisper whisper_config whisper_vocabulary whisper_tokenizer
"""

from __future__ import annotations

import argparse
import re
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from sensorium.errors import SensoriumError
from sensorium_cloud._app.engines import load_whisper
from sensorium_cloud._app.settings import Encoders
from sensorium_cloud.encode.whisper import Floats, believed, samples
from sensorium_models import media

DIGITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
SAID_OF = {"cards": "cards/cards.transcription", "librivox": "librivox/transcription"}


def words(text: str) -> list[str]:
    """Small letters without signs, numbers up to ten as words, titles in full."""
    text = re.sub(r"\b(10|\d)\b", lambda found: DIGITS[int(found[0])], text.lower())
    plain = re.sub(r"[^a-z' ]+", " ", text).split()
    return [{"mr": "mister"}.get(word, word) for word in plain]


def errors(said: Sequence[str], heard: Sequence[str]) -> int:
    """Fewest substitutions, deletions and insertions that make one the other (Levenshtein 1966)."""
    row = list(range(len(heard) + 1))
    for i, word in enumerate(said, 1):
        before, row[0] = row[0], i
        for j, other in enumerate(heard, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (word != other))
    return row[-1]


def recordings() -> Iterator[tuple[str, str, Floats]]:
    """Name, what is said, and the sound."""
    for folder, transcription in SAID_OF.items():
        told = media.path(f"pocketsphinx/{transcription}").read_text().splitlines()
        said = {m[2]: m[1] for m in (re.match(r"<s> (.*?)\s*</s> \((.*)\)", line) for line in told) if m}
        for name in sorted(n for n in media.names() if re.fullmatch(rf"pocketsphinx/{folder}/.*\.wav", n)):
            yield name, said[Path(name).stem], samples(media.path(name).read_bytes(), 30.0)
    raw = np.frombuffer(media.path("pocketsphinx/goforward.raw").read_bytes(), "<i2")
    yield "pocketsphinx/goforward.raw", "go forward ten meters", raw.astype(np.float32) / np.float32(32768)


def wordless() -> Iterator[Floats]:
    """Three seconds each of silence, noise of three levels and colours, and three tones."""
    rng, seconds = np.random.default_rng(0), np.arange(48_000) / 16_000
    yield np.zeros(48_000, np.float32)
    for level in (0.001, 0.02, 0.2):
        white = rng.normal(size=48_000)
        for sound in (white, np.convolve(white, np.ones(16) / 4, "same"), np.diff(white, prepend=0.0)):
            yield (level * sound).astype(np.float32)
    for hz in (100, 440, 2000):
        yield (0.3 * np.sin(2 * np.pi * hz * seconds)).astype(np.float32)


def interval(wrong: Sequence[int], of: Sequence[int]) -> tuple[float, float]:
    """95 % of the error rate, over 10,000 draws of recordings."""
    rng = np.random.default_rng(0)
    chosen = rng.integers(0, len(of), (10_000, len(of)))
    rates = np.asarray(wrong)[chosen].sum(axis=1) / np.asarray(of)[chosen].sum(axis=1)
    low, high = np.quantile(rates, [0.025, 0.975])
    return float(low), float(high)


def main() -> int:
    argparse.ArgumentParser(description=__doc__).parse_args()
    try:
        whisper = load_whisper(Encoders())
    except SensoriumError as error:
        print(f"whisper: not measured: {error}", file=sys.stderr)
        return 0
    wrong, of, cpu_s, unbelieved = [], [], [], 0
    for name, said, sound in recordings():
        began = time.process_time()
        transcript = whisper.hear(sound)
        cpu_s.append(time.process_time() - began)
        heard = words(transcript.text) if believed(transcript) else []
        unbelieved += not believed(transcript)
        wrong.append(errors(words(said), heard))
        of.append(len(words(said)))
        line = " ".join(heard) or "(not believed)"
        print(f"  {name.rpartition('/')[2]:<50} {wrong[-1]:2} of {of[-1]:2} words wrong: {line}")
    low, high = interval(wrong, of)
    rate = f"{sum(wrong) / sum(of):.1%} of {sum(of)} words wrong (95 %: {low:.1%} to {high:.1%})"
    print(f"{len(of)} recordings: {rate}, {unbelieved} not believed; {statistics.median(cpu_s):.2f} s of CPU a clip, "
          f"{max(cpu_s):.2f} at most")  # fmt: skip
    made_up = [believed(whisper.hear(sound)) for sound in wordless()]
    print(f"{len(made_up)} sounds in which nobody speaks: {sum(made_up)} taken for speech")
    return 0


if __name__ == "__main__":
    sys.exit(main())
