"""Makes items in a thread, a few ahead of who takes them; nothing is dropped."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Ahead(Generic[T]):
    """An iterator over what ``produce`` gives, at most ``depth`` items in front of its reader.

    What goes wrong in the thread is raised where the item would have been. Close it when done: the thread
    ends with the item it is at.
    """

    def __init__(self, produce: Callable[[], Iterator[T]], depth: int) -> None:
        self._ready: queue.Queue[tuple[T] | BaseException | None] = queue.Queue(depth)
        self._stop = threading.Event()
        self._ended = False
        threading.Thread(target=self._run, args=(produce,), name="ahead", daemon=True).start()

    def __iter__(self) -> Ahead[T]:
        return self

    def __next__(self) -> T:
        if self._ended or self._stop.is_set():
            raise StopIteration
        return self._unpacked(self._ready.get())

    def take_now(self) -> T | None:
        """The next item if it is there; None if it is still to come, or there is none."""
        try:
            return self._unpacked(self._ready.get_nowait())
        except (queue.Empty, StopIteration):
            return None

    def _unpacked(self, got: tuple[T] | BaseException | None) -> T:
        if isinstance(got, tuple):
            return got[0]
        self._ended = True
        raise StopIteration if got is None else got

    def close(self) -> None:
        """Stop the thread; a reader that waits in another thread is told that there is no more."""
        self._stop.set()
        try:
            self._ready.put_nowait(None)
        except queue.Full:
            return  # then nobody waits

    def _run(self, produce: Callable[[], Iterator[T]]) -> None:
        try:
            for item in produce():
                self._put((item,))
                if self._stop.is_set():
                    return
            self._put(None)
        except BaseException as error:  # noqa: BLE001 - raised again in the reader's thread
            self._put(error)

    def _put(self, item: tuple[T] | BaseException | None) -> None:
        while not self._stop.is_set():
            try:
                self._ready.put(item, timeout=0.1)
            except queue.Full:
                continue
            return
