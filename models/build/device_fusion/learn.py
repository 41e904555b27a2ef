"""Scenes as tensors, and the training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from models.build.device_fusion.net import VotingNet, loss
from models.build.device_fusion.scenes import Scene
from torch import Tensor

from sensorium_agent.fuse.network import MASKED, Asked, ask
from sensorium_agent.fuse.readings import Sense

_BATCH = 256
_RATE = 4e-3


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """A question and, for each of its groups, which rows are meant: float32 [B, R]."""

    asked: Asked
    meant: npt.NDArray[np.float32]


def lessons(scenes: Sequence[Scene]) -> list[Lesson]:
    """Those of the scenes in which anybody speaks."""
    return [_lesson(scene) for scene in scenes if scene.speaking]


def _lesson(scene: Scene) -> Lesson:
    asked = ask(scene.speaking, scene.concepts)
    place = {concept: row for row, concept in enumerate(asked.concepts)}
    meant = np.zeros((len(asked.trusted), len(asked.rows)), np.float32)
    for row, group in zip(meant, asked.trusted, strict=True):
        for concept, weight in scene.meaning(_members(scene.speaking, group)).items():
            row[place.get(concept, -1 if concept == scene.concepts else -2)] += weight
    return Lesson(asked, meant)


def _members(speaking: Sequence[Sense], group: npt.NDArray[np.float32]) -> list[Sense]:
    return [sense for sense, trusted in zip(speaking, group, strict=True) if trusted > MASKED / 2]


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Lessons side by side, filled up with senses, rows and groups that are not there."""

    inputs: tuple[Tensor, Tensor, Tensor, Tensor]
    missing: Tensor
    others: Tensor
    meant: Tensor

    @classmethod
    def of(cls, some: Sequence[Lesson]) -> Batch:
        """The lessons as tensors; rows that are no concept are the last two in each."""
        groups, rows = (max(lesson.meant.shape[axis] for lesson in some) for axis in (0, 1))
        count = max(len(lesson.asked.facts) for lesson in some)
        first = some[0].asked
        claims = np.zeros((len(some), rows, count, first.claims.shape[2]), np.float32)
        facts = np.zeros((len(some), count, first.facts.shape[1]), np.float32)
        marks = np.zeros((len(some), rows, first.rows.shape[1]), np.float32)
        trusted = np.full((len(some), groups, count), MASKED, np.float32)
        meant = np.zeros((len(some), groups, rows), np.float32)
        missing = np.ones((len(some), rows), bool)
        for n, lesson in enumerate(some):
            asked = lesson.asked
            b, s, r = len(asked.trusted), len(asked.facts), len(asked.rows)
            claims[n, -r:, :s], facts[n, :s], marks[n, -r:] = asked.claims, asked.facts, asked.rows
            trusted[n, :b, :s], meant[n, :b, -r:], missing[n, -r:] = asked.trusted, lesson.meant, False
        others = np.log(np.maximum([lesson.asked.others for lesson in some], 1e-30)).astype(np.float32)
        a, b_, c, d, e, f, g = map(torch.from_numpy, (claims, facts, marks, trusted, missing, others, meant))
        return cls((a, b_, c, d), e, f, g)

    def loss(self, net: VotingNet) -> Tensor:
        """How surprised the network is."""
        logits = net(*self.inputs).masked_fill(self.missing.unsqueeze(-2), -torch.inf)
        return loss(logits, self.others, self.meant)


def train(
    draw: Callable[[], Scene], seed: int, *, steps: int, tell: Callable[[str], None], fresh: int = 16_000
) -> VotingNet:
    """A network trained for ``steps`` on scenes from ``draw``, ``fresh`` of them, each seen several times."""
    torch.manual_seed(seed)
    torch.set_num_threads(1)  # at these sizes a second thread mostly waits
    rng = np.random.default_rng(seed)
    known = _by_senses(lessons([draw() for _ in range(fresh)]))
    net = VotingNet()
    optimizer = torch.optim.AdamW(net.parameters(), lr=_RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=steps, pct_start=0.1)
    seen = 0.0
    for step in range(steps):
        now = Batch.of(_alike(known, rng)).loss(net)
        optimizer.zero_grad()
        now.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        seen += float(now.detach())
        if step % 250 == 249:
            tell(f"step {step + 1}: loss {seen / 250:.4f}")
            seen = 0.0
    return net.eval()


def _by_senses(some: Sequence[Lesson]) -> list[list[Lesson]]:
    """Lessons of as many senses together: in one batch they need little filling up."""
    counts = sorted({len(lesson.asked.facts) for lesson in some})
    return [[lesson for lesson in some if len(lesson.asked.facts) == count] for count in counts]


def _alike(known: Sequence[Sequence[Lesson]], rng: np.random.Generator) -> list[Lesson]:
    """A batch of one kind, each kind as often as it comes up."""
    sizes = np.array([len(some) for some in known], np.float64)
    some = known[rng.choice(len(known), p=sizes / sizes.sum())]
    return [some[k] for k in rng.integers(len(some), size=_BATCH)]
