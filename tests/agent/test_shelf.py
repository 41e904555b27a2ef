"""What the store says is followed while the agent runs; what fails is taken back, and not tried again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from agent.test_accelerate import compiled
from agent.tiny_models import inputs, litert, network
from models.shelf import taken

from sensorium_agent.infer.runtime import model as models
from sensorium_agent.infer.runtime.accelerate import Accelerator
from sensorium_agent.infer.runtime.canary import Limits
from sensorium_agent.infer.runtime.shelf import Change, Shelf
from sensorium_agent.infer.runtime.trial import attempt
from sensorium_models import choice, cli, fetch, manifest, media, store
from sensorium_models.manifest import parse

LIMITS = Limits(runs=10, telling=0, warm_up=0, slowdown=1e9)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store with one model, ``tiny``, and beside it files of other versions."""
    shipped = litert(tmp_path / "0.tflite").read_bytes()
    parsed = parse(taken("tiny", "p", "0.tflite", shipped))
    for module in (store, fetch, media, cli, manifest):
        monkeypatch.setattr(module, "manifest", lambda: parsed)
    monkeypatch.setattr(models, "_told", set())
    monkeypatch.setenv("SENSORIUM_MODELS", str(tmp_path / "store"))
    store.add("tiny", tmp_path / "0.tflite")
    return tmp_path


@pytest.fixture
def shelf(folder: Path) -> Shelf:
    made = Shelf(limits=LIMITS)
    made.model("tiny")
    return made


def feed(shelf: Shelf, samples: int = 25) -> np.ndarray:
    turn = shelf.turner(["tiny"])
    answers = []
    for values in inputs(samples):
        turn()
        answers.append(shelf.model("tiny").run(values)[0])
    turn()
    return np.concatenate(answers)


def a_version(folder: Path, content: str = "slightly other") -> str:
    """Another version of ``tiny`` in the store."""
    path = folder / "other.tflite"
    if content == "damaged":
        path.write_bytes(b"TFL3 and nothing more")
    elif content == "other outputs":
        litert(path, classes=5)
    elif content == "different":
        litert(path, seed=5)
    else:
        made = network()
        made.weights[0][:] *= 1.001
        litert(path, of=made)
    return store.add("tiny", path)


def happened(changes: list[Change]) -> list[tuple[str, str]]:
    return [(change.what, change.version) for change in changes]


def test_a_version_that_is_chosen_runs_without_a_restart(shelf: Shelf, folder: Path) -> None:
    blob = a_version(folder)
    before = feed(shelf)

    store.choose("tiny", lambda now: now.using(blob))

    assert happened(shelf.look()) == [("swapped", blob[:12])]
    assert not np.array_equal(feed(shelf), before)
    assert shelf.model("tiny").blob == blob
    assert shelf.look() == []


def test_choosing_the_shipped_version_again_leads_back(shelf: Shelf, folder: Path) -> None:
    before, blob = feed(shelf), a_version(folder)
    for chosen in (blob, ""):
        store.choose("tiny", lambda now, chosen=chosen: now.using(chosen))
        shelf.look()
        after = feed(shelf)

    np.testing.assert_array_equal(after, before)


def test_a_candidate_that_agrees_is_promoted_and_written_down(shelf: Shelf, folder: Path) -> None:
    blob = a_version(folder)
    store.choose("tiny", lambda now: now.trying(blob))

    assert happened(shelf.look()) == [("tried", blob[:12])]
    feed(shelf)
    assert happened(shelf.look()) == [("promoted", blob[:12])]

    assert (store.versions("tiny").chosen, store.versions("tiny").candidate) == (blob, "")
    assert store.path("tiny").name == blob
    assert store.digest("tiny") == Path(blob).stem


def test_a_candidate_that_waited_for_the_start_is_tried(folder: Path) -> None:
    blob = a_version(folder)
    store.choose("tiny", lambda now: now.trying(blob))
    shelf = Shelf(limits=LIMITS)
    shelf.model("tiny")

    assert happened(shelf.look()) == [("tried", blob[:12])]


@pytest.mark.parametrize("content", ["damaged", "other outputs", "different"])
def test_a_candidate_that_fails_is_taken_back_loudly_and_not_tried_again(
    content: str, shelf: Shelf, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before, blob = feed(shelf), a_version(folder, content)
    store.choose("tiny", lambda now: now.trying(blob))

    changes = shelf.look()
    np.testing.assert_array_equal(feed(shelf), before)
    changes += shelf.look()
    changes += shelf.look()

    assert happened(changes)[-1] == ("rolled_back", blob[:12])
    assert f"model.rolled_back name=tiny version={blob[:12]}" in caplog.text
    assert store.versions("tiny").refused[blob] == changes[-1].reason
    assert len(changes) <= 2


@pytest.mark.parametrize("content", ["damaged", "other outputs"])
def test_a_chosen_version_that_cannot_run_changes_no_answer(content: str, shelf: Shelf, folder: Path) -> None:
    before, blob = feed(shelf), a_version(folder, content)
    store.choose("tiny", lambda now: now.using(blob))

    shelf.look()
    np.testing.assert_array_equal(feed(shelf), before)
    shelf.look()

    assert store.versions("tiny").chosen == ""
    assert blob in store.versions("tiny").refused


def test_a_start_with_a_version_that_was_damaged_since_falls_back_to_the_shipped_one(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blob = a_version(folder)
    store.choose("tiny", lambda now: now.using(blob))
    (store.root() / blob).write_bytes(b"rot")

    assert Shelf().model("tiny").blob == ""
    assert "model.rolled_back name=tiny" in caplog.text
    assert store.path("tiny").name.startswith(store.entry("tiny").sha256)


def test_a_store_that_cannot_be_written_still_gets_rid_of_what_fails(
    shelf: Shelf, folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    blob = a_version(folder, "damaged")
    store.choose("tiny", lambda now: now.trying(blob))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(choice, "keep", full)

    assert happened(shelf.look()) == [("rolled_back", blob[:12])]
    assert shelf.look() == []
    assert "model.choice_not_written name=tiny" in caplog.text


def test_a_delegate_that_crashes_takes_nobody_with_it(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    crashing = Accelerator.parse(f"delegate:{compiled(folder, 'CRASH')}")

    shelf = Shelf(accelerator=crashing)

    np.testing.assert_array_equal(feed(shelf), feed(Shelf()))
    assert shelf.runs_on() == {"tiny": "cpu"}
    assert "it crashes (SIGSEGV)" in caplog.text


def test_a_trial_tells_what_a_model_takes_and_gives(folder: Path) -> None:
    found = attempt("tiny", folder / "0.tflite")

    assert found.trouble == ""
    assert [(p.dtype, p.shape) for p in (*found.inputs, *found.outputs)] == [("float32", (1, 4)), ("float32", (1, 3))]


def test_a_trial_of_no_model_says_why_in_one_line(folder: Path) -> None:
    (folder / "no.tflite").write_bytes(b"no")

    assert attempt("tiny", folder / "no.tflite").trouble.startswith("LiteRT cannot load it (")
    assert "\n" not in attempt("tiny", folder / "no.tflite").trouble


def test_a_choice_that_cannot_be_read_ends_no_agent_and_is_said_once(
    folder: Path, shelf: Shelf, caplog: pytest.LogCaptureFixture
) -> None:
    choice.place(store.root(), "tiny").parent.mkdir(exist_ok=True)
    choice.place(store.root(), "tiny").write_text("{")

    assert [*shelf.look(), *shelf.look()] == []
    assert len(feed(shelf)) == 25
    assert Shelf(limits=LIMITS).model("tiny").blob == ""
    assert [message.split()[0] for message in caplog.messages] == ["model.choice_unread"] * 2  # by each shelf

    choice.place(store.root(), "tiny").unlink()
    blob = a_version(folder)
    store.choose("tiny", lambda now: now.using(blob))
    assert happened(shelf.look()) == [("swapped", blob[:12])]


def test_what_is_said_to_run_is_what_runs_even_where_the_store_cannot_be_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    blob, shelf = a_version(folder, "damaged"), Shelf(limits=LIMITS)
    shipped = store.digest("tiny")
    store.choose("tiny", lambda now: now.using(blob))
    assert shelf.digest("tiny") == Path(blob).stem  # nothing runs yet
    monkeypatch.setattr(choice, "keep", full)
    shelf.model("tiny")

    assert store.versions("tiny").chosen == blob
    assert shelf.digest("tiny") == shipped
