"""Words and pictures become vectors that depend on nothing else, or are left out and counted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from cloud.doubles import a_picture, a_window, an_event, words

from sensorium.event import Modality
from sensorium.window import Window
from sensorium_cloud.encode.encoders import (
    EncodedWindow,
    FrameEncoder,
    Remembered,
    SentenceEncoder,
    UndecodablePicture,
    add_pictures,
    add_words,
    decode,
    jpeg_size,
    pictures_in,
    words_in,
)
from sensorium_cloud.runtime.net import ModelError
from sensorium_models import store


def a_jpeg(height: int = 48, width: int = 64, seed: int = 0) -> bytes:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (6, 8, 3)).astype(np.uint8)
    ok, data = cv2.imencode(".jpg", cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR))
    assert ok
    return bytes(data.tobytes())


def as_large_as(jpeg: bytes, height: int, width: int) -> bytes:
    """The same file with another size in its header."""
    at = jpeg.index(b"\xff\xc0") + 5
    return jpeg[:at] + height.to_bytes(2, "big") + width.to_bytes(2, "big") + jpeg[at + 4 :]


def encoded(window: Window) -> EncodedWindow:
    return EncodedWindow(window, None, None, 0.0)


# --- what there is to encode ---------------------------------------------------------------


def test_reads_the_newest_texts_that_have_words() -> None:
    window = a_window(0, words("one"), words(" "), words("two"), words("three"))

    assert words_in(window, 2) == (2, 3)
    assert words_in(window, 9) == (0, 2, 3)
    assert words_in(a_window(0), 9) == ()


def test_looks_at_the_newest_events_that_have_a_picture() -> None:
    window = a_window(0, a_picture(), an_event("dark", modality=Modality.VIDEO), a_picture())

    assert pictures_in(window, 1) == (2,)
    assert pictures_in(window, 9) == (0, 2)


def test_remembers_what_was_used_last() -> None:
    remembered: Remembered[str] = Remembered(2)
    made: list[str] = []

    def row(key: str) -> None:
        remembered(key, lambda: made.append(key) or np.zeros(1, np.float32))  # type: ignore[func-returns-value]

    for key in ("a", "b", "a", "c", "a", "b"):
        row(key)

    assert made == ["a", "b", "c", "b"]
    assert (remembered.hits, remembered.misses) == (2, 4)


# --- pictures ------------------------------------------------------------------------------


@pytest.mark.parametrize(("height", "width"), [(48, 64), (600, 500), (1000, 1900), (2000, 2400)])
def test_a_picture_of_any_size_becomes_a_small_square(height: int, width: int) -> None:
    jpeg = a_jpeg(height, width)

    assert jpeg_size(jpeg) == (height, width)
    assert decode(jpeg).shape == (224, 224, 3)


def test_coarse_decoding_shows_the_same_picture() -> None:
    small, large = decode(a_jpeg(448, 448)), decode(a_jpeg(1800, 1800))

    assert np.abs(small.astype(int) - large.astype(int)).mean() < 4


def test_red_stays_red() -> None:
    ok, data = cv2.imencode(".jpg", np.full((32, 32, 3), (0, 0, 255), np.uint8))
    assert ok

    red, green, blue = decode(data.tobytes())[100, 100]

    assert (red > 240, green < 16, blue < 16) == (True, True, True)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no JPEG header"),
        (b"\x89PNG\r\n", "no JPEG header"),
        (a_jpeg()[:60], "no JPEG header"),
        (as_large_as(a_jpeg(), 60_000, 60_000), "60000 x 60000 pixels"),
        (as_large_as(a_jpeg(), 0, 64), "0 x 64 pixels"),
    ],
)
def test_refuses_what_is_no_picture_or_would_unfold_to_gigabytes(data: bytes, reason: str) -> None:
    with pytest.raises(UndecodablePicture, match=reason):
        decode(data)


# --- the models ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sentences() -> SentenceEncoder:
    return SentenceEncoder(store.path("sentence_embedding"), store.path("sentence_tokenizer"))


@pytest.fixture(scope="module")
def frames() -> FrameEncoder:
    return FrameEncoder(store.path("frame_embedding"))


@pytest.mark.needs_models
def test_sentences_that_mean_the_same_are_near(sentences: SentenceEncoder) -> None:
    rows = sentences.encode(["turn the lights on", "switch on the lamp", "my tooth hurts"])

    assert rows.shape == (3, 384)
    assert np.linalg.norm(rows, axis=1) == pytest.approx(1.0, abs=1e-5)
    assert rows[0] @ rows[1] > 0.5
    assert rows[0] @ rows[2] < 0.3


@pytest.mark.needs_models
def test_a_sentence_does_not_depend_on_its_neighbours(sentences: SentenceEncoder) -> None:
    texts = ["stop", "what a lovely day in the park with all my friends", "yes please", "42 " * 400]
    alone = np.concatenate([SentenceEncoder.encode(sentences, [text]) for text in texts])
    fresh = SentenceEncoder(store.path("sentence_embedding"), store.path("sentence_tokenizer"))

    together = fresh.encode(list(reversed(texts)))[::-1]

    assert np.abs(alone - together).max() < 1e-3


@pytest.mark.needs_models
def test_no_sentences_are_no_rows(sentences: SentenceEncoder) -> None:
    assert sentences.encode([]).shape == (0, 384)


@pytest.mark.needs_models
def test_each_row_names_the_event_it_stands_for(sentences: SentenceEncoder) -> None:
    window = a_window(0, words("stop"), an_event(None, modality=Modality.TEXT), words("go"))

    (done,) = add_words(sentences, [encoded(window)], limit=16)

    assert done.text is not None
    assert done.text_events == (0, 2)
    assert np.array_equal(done.text, sentences.encode(["stop", "go"]))
    assert done.encode_ms > 0


@pytest.mark.needs_models
def test_a_stale_picture_is_looked_at_once(frames: FrameEncoder) -> None:
    before = frames.remembered.misses
    windows = [encoded(a_window(i, a_picture(a_jpeg(seed=5)))) for i in range(3)]

    first, *others = add_pictures(frames, windows, limit=4)

    assert frames.remembered.misses == before + 1
    assert first.frames is not None
    assert first.frames.shape == (1, 1280)
    assert all(np.array_equal(first.frames, other.frames) for other in others if other.frames is not None)


@pytest.mark.needs_models
def test_a_bad_picture_is_dropped_and_counted_and_its_window_goes_on(frames: FrameEncoder) -> None:
    before = frames.undecodable
    good, bad = a_picture(a_jpeg()), a_picture(b"not a picture")

    mixed, hopeless = add_pictures(frames, [encoded(a_window(0, bad, good)), encoded(a_window(1, bad))], limit=4)

    assert frames.undecodable == before + 2
    assert mixed.frames is not None
    assert mixed.frame_events == (1,)
    assert (hopeless.frames, hopeless.frame_events) == (None, ())


@pytest.mark.needs_models
def test_words_and_pictures_add_up(sentences: SentenceEncoder, frames: FrameEncoder) -> None:
    window = encoded(a_window(0, a_picture(a_jpeg()), words("stop")))

    (seen,) = add_pictures(frames, [window], limit=4)
    (done,) = add_words(sentences, [seen], limit=4)

    assert done.frames is seen.frames
    assert done.text is not None
    assert done.encode_ms >= seen.encode_ms
    assert add_words(sentences, [replace(seen, window=a_window(0))], limit=4)[0].text is None


@pytest.mark.needs_models
def test_a_model_of_another_kind_is_found_at_start(tmp_path: Path) -> None:
    sentence, tokenizer, frame = map(store.path, ("sentence_embedding", "sentence_tokenizer", "frame_embedding"))
    (tmp_path / "broken.onnx").write_bytes(b"not a model")
    with pytest.raises(ModelError, match="not a model"):
        SentenceEncoder(tmp_path / "broken.onnx", tokenizer)
    with pytest.raises(ModelError, match="not a tokenizer"):
        SentenceEncoder(sentence, sentence)
    with pytest.raises(ModelError, match="not a sentence embedding"):
        SentenceEncoder(frame, tokenizer)
    with pytest.raises(ModelError, match="not a frame embedding"):
        FrameEncoder(sentence)


@pytest.mark.needs_models
def test_sentences_of_one_length_are_read_together_and_each_as_if_alone(sentences: SentenceEncoder) -> None:
    said = [f"set the timer to {n} minutes" for n in range(20)] + ["stop", "yes"]

    together = np.stack(sentences.vectors(said))

    assert np.concatenate([sentences.vectors([own]) for own in said]) == pytest.approx(together, abs=1e-6)
    assert sentences.encode(["stop", "no", "stop"])[::2] == pytest.approx(together[[20, 20]], abs=1e-6)
