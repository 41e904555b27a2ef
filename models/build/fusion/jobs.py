"""Runs trainings: which networks a study needs, on as many processes as there are cores, with a bar."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import torch
from models.build.fusion.dataset import Bools, Dataset, Floats
from models.build.fusion.learn import Recipe, learn, total_steps
from models.build.fusion.network import ClipNet

_done: Any = None


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """One network to train: on which clips, and from which seed."""

    kept: Bools
    seed: int


def train_all(dataset: Dataset, anchors: Floats, recipe: Recipe, work: Sequence[Job], processes: int) -> list[ClipNet]:
    """The networks of ``work``, in order; shows a progress bar on stderr."""
    total = sum(total_steps(int(job.kept.sum()), recipe) for job in work)
    with _bar(total, f"{len(work)} networks") as advance:
        if processes < 2 or len(work) < 2:
            return list(_here(dataset, anchors, recipe, work, advance))
        return _elsewhere((dataset, anchors, recipe), work, min(processes, len(work)), advance)


def _here(
    dataset: Dataset, anchors: Floats, recipe: Recipe, work: Sequence[Job], advance: Callable[[int], None]
) -> Iterator[ClipNet]:
    before = 0
    for job in work:

        def moved(done: int, before: int = before) -> None:
            advance(before + done)

        yield learn(dataset.take(job.kept), anchors, recipe, job.seed, moved)
        before += total_steps(int(job.kept.sum()), recipe)


def _elsewhere(
    shared: tuple[Dataset, Floats, Recipe], work: Sequence[Job], processes: int, advance: Callable[[int], None]
) -> list[ClipNet]:
    context = multiprocessing.get_context("spawn")
    counter = context.Value("q", 0)
    told = (counter, *shared)
    with ProcessPoolExecutor(processes, mp_context=context, initializer=_begin, initargs=told) as pool:
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
    counter, dataset, anchors, recipe = _done

    def advance(_: int) -> None:
        with counter.get_lock():
            counter.value += 1

    return learn(dataset.take(job.kept), anchors, recipe, job.seed, advance)


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
