"""How well are speech and wake words heard? On real speech, on spoken sentences, on noise; and at what cost?

    python models/build/speech.py [--spoken FOLDER] [--negative FOLDER ...] [--stream FOLDER ...]

``--spoken`` takes WAV files named after the wake word in them (``alexa-...wav``, ``none-...wav``; tests/recordings
by default, more with its make_speech.py --all); ``--negative`` more speech without wake words.
"""

from __future__ import annotations

import argparse
import math
import time
import wave
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sensorium.event import Event, EventStream, Modality, Sample, Sound
from sensorium_agent.capture.resample import Resampler
from sensorium_agent.infer.lanes import SECOND_OPINION, SPOTTING, WAKE_WORDS
from sensorium_agent.infer.runtime.model import load
from sensorium_agent.infer.sound.keyword import Keywords, Listening
from sensorium_agent.infer.sound.second_opinion import SecondOpinion
from sensorium_agent.infer.sound.speech import SpeechPerceiver
from sensorium_agent.infer.sound.voice import BLOCK, VoiceActivity
from sensorium_agent.infer.sound.wake_word import WakeWords
from sensorium_models import media, store

HERE = Path(__file__).parent
RECORDINGS = HERE.parent.parent / "tests" / "recordings"
RUN = 320
REAL = ("librivox", "cards")
SNRS_DB = (None, 20, 10, 5, 0)

Pcm = npt.NDArray[np.int16]


def read(path: Path) -> Pcm:
    """A WAV file (or raw 16 kHz) as int16 at 16 kHz."""
    if path.suffix == ".raw":
        return np.frombuffer(path.read_bytes(), "<i2")
    with wave.open(str(path)) as file:
        pcm = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        rate_hz = file.getframerate()
    if rate_hz == 16_000:
        return pcm
    resampler = Resampler(rate_hz)
    return np.concatenate([resampler.feed(pcm), resampler.finish()])


def real_speech() -> list[Path]:
    """What the pocketsphinx package brings: read books, and playing cards by name."""
    names = [n for n in media.names() if n.startswith("pocketsphinx/") and n.endswith((".wav", ".raw"))]
    return [media.path(name) for name in names]


def runs(pcm: Pcm) -> Iterator[Sample]:
    """20 ms each, as a microphone gives them."""
    for number, begin in enumerate(range(0, len(pcm), RUN)):
        run = pcm[begin : begin + RUN]
        yield Sample(Modality.AUDIO, "mic", number, (begin + len(run)) * 62_500, Sound(run, 16_000))


def perceiver(listening: Listening | None = None) -> SpeechPerceiver:
    """With all models, loaded anew; keywords only if ``listening`` for some."""
    words = {name: load(store.path(name)) for name in WAKE_WORDS}
    voice, keywords = load(store.path("voice_activity")), None
    if listening is not None and listening.words:
        embedding, head = (load(store.path(name)) for name in SPOTTING)
        keywords = Keywords(embedding, head, listening)
    opinion = SecondOpinion(lambda: load(store.path(SPOTTING[0])), lambda: store.path(SECOND_OPINION))
    stream = EventStream("s", Modality.AUDIO)
    return SpeechPerceiver(stream, voice=voice, wake_words=words, keywords=keywords, opinion=opinion)


def hear(ear: SpeechPerceiver, pcm: Pcm) -> list[Event]:
    """Every event of one recording."""
    return [event for sample in runs(pcm) for event in ear.perceive(sample)] + list(ear.finish(0))


# --- wake words --------------------------------------------------------------------------


def spoken(ear: SpeechPerceiver, paths: Iterable[Path]) -> None:
    """Wake words heard of those spoken, and what was heard that was not."""
    said, right = Counter[str](), Counter[str]()
    wrong: list[str] = []
    for path in paths:
        word = path.stem.split("-")[0]
        due = [] if word == "none" else [word]
        heard = [str(e.label) for e in hear(ear, read(path)) if e.label in WAKE_WORDS]
        said[word] += 1
        right[word] += heard == due
        if heard != due:
            wrong.append(f"{path.name}: {', '.join(heard) or 'nothing'}")
    for word in said:
        what = "without a wake word, none heard" if word == "none" else f"with {word}, heard exactly once"
        print(f"  {right[word]:3d} of {said[word]:3d} {what}")
    for line in wrong:
        print(f"      {line}")


def negative(ear: SpeechPerceiver, what: str, paths: list[Path]) -> None:
    """False wakes over speech that holds none of the words, with the upper bound of their rate."""
    seconds, false = 0.0, []
    for path in paths:
        pcm = read(path)
        seconds += len(pcm) / 16_000
        false += [f"{path.name}: {e.label} {e.score:.2f}" for e in hear(ear, pcm) if e.label in WAKE_WORDS]
    bound = poisson_upper(len(false)) / (seconds / 3600) if seconds else math.inf
    print(f"  {what}: {len(false)} false wakes in {seconds / 60:.1f} minutes, {len(paths)} files;", end=" ")
    print(f"at most {bound:.0f} an hour (95 %)")
    for line in false:
        print(f"      {line}")


def negative_stream(ear: SpeechPerceiver, what: str, paths: list[Path], pause_s: float = 1.0) -> None:
    """The same as one long recording, the files a pause apart: what a microphone that stays on would hear."""
    heard, seconds, number = Counter[str](), 0.0, 0
    for path in paths:
        sound = np.concatenate([read(path), np.zeros(round(pause_s * 16_000), np.int16)])
        for sample in runs(sound):
            at_ns = round(seconds * 1e9) + sample.at_ns
            events = ear.perceive(Sample(Modality.AUDIO, "mic", number, at_ns, sample.data))
            heard.update(str(e.label) for e in events if e.label in WAKE_WORDS)
            number += 1
        seconds += len(sound) / 16_000
    bound = poisson_upper(heard.total()) / (seconds / 3600)
    print(f"  {what}, as one recording: {heard.total()} false wakes in {seconds / 3600:.2f} hours;", end=" ")
    print(f"at most {bound:.1f} an hour (95 %); {dict(heard)}")


def poisson_upper(count: int) -> float:
    """Largest mean under which ``count`` or fewer still come with probability .05, by bisection."""
    low, high = 0.0, count * 2 + 20.0
    for _ in range(60):
        mean = (low + high) / 2
        below = sum(math.exp(-mean) * mean**k / math.factorial(k) for k in range(count + 1))
        low, high = (mean, high) if below > 0.05 else (low, mean)
    return high


# --- voice -------------------------------------------------------------------------------


def voiced_blocks(pcm: Pcm) -> npt.NDArray[np.bool_]:
    """Which 32 ms of a clean recording hold speech, by level alone: within 30 dB of its loud parts."""
    blocks = pcm[: len(pcm) // BLOCK * BLOCK].reshape(-1, BLOCK).astype(np.float64)
    level = 10 * np.log10((blocks**2).mean(axis=1) + 1e-3)
    loud = level > np.quantile(level, 0.95) - 30
    # A stop consonant is a silence of up to 100 ms that belongs to the speech.
    return np.convolve(loud, np.ones(3), mode="same") >= 1


def agreement(clean: list[Pcm], snr_db: float | None, rng: np.random.Generator) -> tuple[float, float, float]:
    """Share of blocks of speech heard, of silence kept silent, and of both.

    Each recording stands between 2 s of silence; white noise ``snr_db`` below the speech lies over all of it.
    """
    truth, answer = [], []
    activity = VoiceActivity(load(store.path("voice_activity")))
    for pcm in clean:
        held = voiced_blocks(pcm)
        truth.append(np.pad(held, 62))
        whole = np.pad(pcm[: len(held) * BLOCK].astype(np.float64), 62 * BLOCK)
        speech_rms = math.sqrt(
            float((pcm[: len(held) * BLOCK].reshape(-1, BLOCK)[held].astype(np.float64) ** 2).mean())
        )
        noise_rms = 3.0 if snr_db is None else speech_rms / 10 ** (snr_db / 20)
        noisy = np.clip(np.rint(whole + rng.normal(0, noise_rms, len(whole))), -32768, 32767).astype(np.int16)
        activity.reset()
        answer.append(np.array(list(activity.feed(noisy))) >= 0.5)
    t, a = np.concatenate(truth), np.concatenate(answer)
    return float(a[t].mean()), float((~a[~t]).mean()), float((a == t).mean())


# --- cost --------------------------------------------------------------------------------


def cost() -> None:
    """CPU of an idle microphone: everything, and the models with their front end alone."""
    quiet = np.random.default_rng(1).normal(0, 8, 60 * 16_000).astype(np.int16)
    ear, given = perceiver(), list(runs(quiet))
    hear(ear, quiet[:16_000])
    begin = time.thread_time()
    for sample in given:
        ear.perceive(sample)
    whole = time.thread_time() - begin
    activity = VoiceActivity(load(store.path("voice_activity")))
    words = WakeWords({name: load(store.path(name)) for name in WAKE_WORDS})
    begin = time.thread_time()
    list(activity.feed(quiet[: 60 * 16_000]))
    list(words.feed(quiet))
    models = time.thread_time() - begin
    print(
        f"  {whole / 60:.2%} of a core in all, {models / 60:.2%} for models and front end in one run of 60 s,", end=" "
    )
    print(f"{(whole - models) / 60:.2%} for the rest")


def one_call() -> None:
    """Median thread CPU of one inference of each network."""
    given = {name: (np.zeros((1, 3, 40), np.int8),) for name in WAKE_WORDS} | {
        "voice_activity": (np.zeros((1, 576), np.float32), np.zeros((2, 1, 128), np.float32), np.array(16_000))
    }
    for name, inputs in given.items():
        net, spent = load(store.path(name)), []
        for _ in range(1000):
            begin = time.thread_time_ns()
            net.run(*inputs)
            spent.append(time.thread_time_ns() - begin)
        print(f"  {name}: {np.median(spent) / 1000:.0f} us, {store.path(name).stat().st_size:,} bytes")


def second_look() -> None:
    """Thread CPU of a second opinion: what a wake word waits for; the first one loads the embedding, too."""
    pcm = np.random.default_rng(1).normal(0, 1000, 32_000).astype(np.int16)
    opinion = SecondOpinion(lambda: load(store.path(SPOTTING[0])), lambda: store.path(SECOND_OPINION))
    spent = []
    for _ in range(100):
        begin = time.thread_time_ns()
        opinion.odds(WAKE_WORDS[0], pcm)
        spent.append(time.thread_time_ns() - begin)
    print(f"  second opinion: {np.median(spent) / 1e6:.1f} ms, the first {spent[0] / 1e6:.0f} ms")


def main() -> None:
    """Print all figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--spoken", type=Path, default=RECORDINGS)
    parser.add_argument("--negative", type=Path, nargs="*", default=[])
    parser.add_argument("--stream", type=Path, nargs="*", default=[], help="like --negative, but without new starts")
    options = parser.parse_args()
    ear = perceiver()
    print(f"wake words in {len(list(options.spoken.glob('*.wav')))} spoken recordings")
    spoken(ear, sorted(options.spoken.glob("*.wav")))
    print("speech without wake words")
    negative(ear, "pocketsphinx", real_speech())
    for folder in options.negative:
        negative(ear, folder.name, sorted(folder.rglob("*.wav")))
    for folder in options.stream:
        negative_stream(perceiver(), folder.name, sorted(folder.rglob("*.wav")))
    print("voice activity on real speech between silences: share of 32 ms blocks right")
    clean = [read(path) for path in real_speech() if path.parent.name in REAL]
    rng = np.random.default_rng(1)
    for snr_db in SNRS_DB:
        speech, silence, both = agreement(clean, snr_db, rng)
        name = "clean" if snr_db is None else f"{snr_db} dB"
        print(f"  SNR {name:>6}: speech {speech:.3f}, silence {silence:.3f}, both {both:.3f}")
    print("cost of an idle microphone, thread CPU")
    cost()
    one_call()
    second_look()


if __name__ == "__main__":
    main()
