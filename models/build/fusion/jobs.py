"""Runs trainings: which networks a study needs, on as many processes as there are cores, with a bar."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from models.build.fusion.dataset import Bools, Dataset, Floats, fingerprint
from models.build.fusion.learn import Told, fresh, learn
from models.build.fusion.network import ClipNet
from models.build.fusion.recipe import Recipe, total_steps

_CODE: Final = ("attention", "bend", "kinds", "learn", "network")
_done: Any = None


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """One network to train: on which clips, and from which seed."""

    kept: Bools
    seed: int


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """What all networks of a study are trained with.

    Attributes:
        dataset: all clips.
        anchors: [K, phrase].
        recipe: how.
        kept: a folder in which every network that is done is kept, so that a study goes on where it was interrupted.
    """

    dataset: Dataset
    anchors: Floats
    recipe: Recipe
    kept: Path

    def steps(self, job: Job) -> int:
        """How many it takes."""
        return total_steps(int(job.kept.sum()), self.recipe)

    def net(self, job: Job, told: Told) -> ClipNet:
        """The network of ``job``: as it was kept, or trained."""
        clips, file = self.dataset.take(job.kept), self.kept / f"{self._name(job)}.pt"
        net = fresh(clips, self.anchors, self.recipe)
        if file.is_file():
            net.load_state_dict(torch.load(file, weights_only=True))
            told(self.steps(job))
            return net.eval()
        net = learn(clips, self.anchors, self.recipe, job.seed, told)
        self.kept.mkdir(parents=True, exist_ok=True)
        begun = file.with_suffix(f".{os.getpid()}")
        torch.save(net.state_dict(), begun)
        begun.replace(file)
        return net

    def _name(self, job: Job) -> str:
        """Of everything its weights depend on, the code too."""
        digest = hashlib.blake2b(digest_size=12)
        for module in _CODE:
            digest.update(Path(__file__).with_name(f"{module}.py").read_bytes())
        for part in (fingerprint(self.dataset), repr(self.recipe), torch.__version__, str(job.seed)):
            digest.update(part.encode() + b"\0")
        digest.update(self.anchors.tobytes() + job.kept.tobytes())
        return digest.hexdigest()


def train_all(lesson: Lesson, work: Sequence[Job], processes: int) -> list[ClipNet]:
    """The networks of ``work``, in order; shows a progress bar on stderr."""
    with _bar(sum(map(lesson.steps, work)), f"{len(work)} networks") as advance:
        if processes < 2 or len(work) < 2:
            return list(_here(lesson, work, advance))
        return _elsewhere(lesson, work, min(processes, len(work)), advance)


def _here(lesson: Lesson, work: Sequence[Job], advance: Told) -> Iterator[ClipNet]:
    before = 0
    for job in work:

        def moved(done: int, before: int = before) -> None:
            advance(before + done)

        yield lesson.net(job, moved)
        before += lesson.steps(job)


def _elsewhere(lesson: Lesson, work: Sequence[Job], processes: int, advance: Told) -> list[ClipNet]:
    context = multiprocessing.get_context("spawn")
    counter = context.Value("q", 0)
    with ProcessPoolExecutor(processes, mp_context=context, initializer=_begin, initargs=(counter, lesson)) as pool:
        running: list[Future[ClipNet]] = [pool.submit(_run, job) for job in work]
        while not all(future.done() for future in running):
            advance(int(counter.value))
            time.sleep(0.2)
        return [future.result() for future in running]


def _begin(*told: Any) -> None:
    global _done  # noqa: PLW0603 - how a process is given what all its jobs share
    _done = told
    torch.set_num_threads(1)  # at these sizes a second thread mostly waits


def _run(job: Job) -> ClipNet:
    counter, lesson = _done
    before = 0

    def advance(done: int) -> None:
        nonlocal before
        with counter.get_lock():
            counter.value += done - before
        before = done

    net: ClipNet = lesson.net(job, advance)
    return net


class _bar:  # noqa: N801 - used as a function
    """A progress bar of so many steps; gives the function that moves it."""

    def __init__(self, total: int, title: str) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=Console(stderr=True))
        self._task = self._progress.add_task(title, total=total)

    def __enter__(self) -> Callable[[int], None]:
        self._progress.start()
        return lambda done: self._progress.update(self._task, completed=done)

    def __exit__(self, *error: object) -> None:
        self._progress.stop()
