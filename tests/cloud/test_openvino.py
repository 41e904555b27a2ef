"""OpenVINO answers as ONNX Runtime does, at any size, although it is prepared for a few."""

from __future__ import annotations

import logging
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from sensorium_cloud.encode.encoders import FrameEncoder, SentenceEncoder
from sensorium_cloud.fuse.trials import FRAMES, SENTENCES, largest_angle
from sensorium_cloud.runtime import net as runtime
from sensorium_cloud.runtime.choice import choose
from sensorium_cloud.runtime.net import Array, ModelError, Net, Provider, Sizes, available
from sensorium_models import store

MEETING = Path(__file__).parents[2] / "models" / "weights" / "fusion.onnx"
SIZES = Sizes(((1, 2), (4, 2), (8, 2)))


def groups(count: int, seed: int = 0) -> dict[str, Array]:
    """Noise for ``count`` groups of two modalities."""
    rng = np.random.default_rng(seed)
    sizes = {"tokens": (count, 2, 128), "anchors": (count, 2, 384), "trusted": (count, 2)}
    return {name: rng.normal(size=size).astype(np.float32) for name, size in sizes.items()}


# --- sizes -----------------------------------------------------------------------------


def test_what_is_asked_goes_where_it_just_fits() -> None:
    exact = Sizes(((1, 1), (1, 2), (4, 2), (32, 2)))
    filled = Sizes(((1, 16), (8, 16), (1, 128)), filled=True)

    assert [exact.room(rows, 2) for rows in (1, 2, 32, 33)] == [(1, 2), (4, 2), (32, 2), (32, 2)]
    assert [filled.room(2, length) for length in (3, 16, 17)] == [(8, 16), (8, 16), (1, 128)]


# --- answers ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def plain() -> Net:
    return Net(MEETING)


@pytest.fixture(scope="module")
def fixed() -> Net:
    return Net(MEETING, provider=Provider.OPENVINO, sizes=SIZES)


@pytest.mark.parametrize("count", [1, 3, 8, 19])
def test_fewer_rows_are_filled_up_and_more_are_run_in_parts(plain: Net, fixed: Net, count: int) -> None:
    for ours, theirs in zip(fixed.run(groups(count)), plain.run(groups(count)), strict=True):
        assert ours.shape == theirs.shape
        assert ours == pytest.approx(theirs, abs=1e-5)


def test_what_was_asked_before_leaves_nothing_behind(fixed: Net) -> None:
    before = fixed.run(groups(3))
    fixed.run({name: 1e4 * x for name, x in groups(4, seed=1).items()})

    for first, again in zip(before, fixed.run(groups(3)), strict=True):
        assert np.array_equal(first, again)


def test_answers_stay_as_they_are_when_more_is_asked(fixed: Net) -> None:
    answers = fixed.run(groups(4))
    copies = [np.array(answer) for answer in answers]
    fixed.run(groups(4, seed=1))

    assert all(map(np.array_equal, answers, copies))


def test_several_threads_may_ask(fixed: Net) -> None:
    expected = [fixed.run(groups(4, seed)) for seed in range(8)]
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda seed: fixed.run(groups(4, seed)), range(8)))

    for ours, theirs in zip(found, expected, strict=True):
        assert all(map(np.array_equal, ours, theirs))


@pytest.mark.needs_models
@pytest.mark.parametrize("provider", [Provider.OPENVINO, Provider.OPENVINO_BF16])
def test_sentences_of_any_length_mean_the_same(provider: Provider) -> None:
    files = store.path("sentence_embedding"), store.path("sentence_tokenizer")
    said = [
        "stop",
        "turn on the light in the kitchen, then close the door behind you, if you would be so kind",
    ]

    ours, theirs = (SentenceEncoder(*files, provider=p).encode(said) for p in (provider, Provider.CPU))

    assert largest_angle(ours, theirs) <= (1e-5 if provider is Provider.OPENVINO else SENTENCES.tolerance)


@pytest.mark.needs_models
def test_a_sentence_is_the_same_among_others_as_alone() -> None:
    encoder = SentenceEncoder(
        store.path("sentence_embedding"), store.path("sentence_tokenizer"), provider=Provider.OPENVINO
    )
    said = [f"set the timer to {n} minutes" for n in range(9)] + ["stop", "what a lovely day " * 4, "yes", "42 " * 400]

    together = np.stack(encoder.vectors(said))

    assert np.concatenate([encoder.vectors([own]) for own in said]) == pytest.approx(together, abs=1e-6)


@pytest.mark.needs_models
def test_pictures_look_the_same_to_what_is_chosen(caplog: pytest.LogCaptureFixture) -> None:
    def made(provider: Provider) -> FrameEncoder:
        return FrameEncoder(store.path("frame_embedding"), provider=provider)

    with caplog.at_level(logging.WARNING):
        encoder = choose(FRAMES, "openvino", made, [Provider.CPU, Provider.OPENVINO])

    (said,) = (record.getMessage() for record in caplog.records)
    assert said.startswith("engine.provider net=frames name=openvino cpu_ms=")
    assert FRAMES.apart(FRAMES.answers(encoder), FRAMES.answers(made(Provider.CPU))) < 1e-5


# --- where it is not -------------------------------------------------------------------


def test_a_damaged_file_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(b"no net")

    with pytest.raises(ModelError) as refused:
        Net(tmp_path / "net.onnx", provider=Provider.OPENVINO, sizes=SIZES)

    assert str(refused.value).startswith(f"{tmp_path / 'net.onnx'}: not a model (")
    assert str(refused.value).endswith("); run: sensorium-cloud models fetch")
    assert "\n" not in str(refused.value)


def test_a_net_of_any_size_is_left_to_onnx_runtime() -> None:
    net = Net(MEETING, provider=Provider.OPENVINO)

    assert [answer.shape[0] for answer in net.run(groups(5))] == [5, 5, 5]


def test_where_it_is_not_installed_it_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Provider.OPENVINO in available()

    monkeypatch.setattr(runtime.importlib.util, "find_spec", lambda _: None)

    assert not {Provider.OPENVINO, Provider.OPENVINO_BF16} & set(available())


@pytest.mark.needs_models
def test_nothing_imports_it_where_another_is_named() -> None:
    script = (
        "import sys\n"
        "from sensorium_cloud._app import engines\n"
        "from sensorium_cloud._app.settings import Engine, Settings\n"
        "engines.load_frames(Settings(engine=Engine(provider='cpu')))\n"
        "print([m for m in sys.modules if m.partition('.')[0] == 'openvino'])"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"
