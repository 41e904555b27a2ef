"""What a stem sees of a modality, by the kind of its numbers: points of a body, a worn sensor's axes, or just features.

Each kind has its own unit (`units`), its own view of a clip (`front`) and its own ways in which another person would
have done the same (`bend`). Everything a view needs is measured on the clips trained on and kept as a buffer, so an
exported network needs to be told nothing.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

AXES = {"points": 3, "points2d": 2, "inertial": 3}
"""Numbers of one point or one sensor; kinds that are not here have no geometry."""
_STIFF = 1e-3


def units(kind: str, values: Tensor) -> tuple[Tensor, Tensor]:
    """What is taken off each number, and what it is divided by, [D] each, from real steps ``values`` [N, D].

    Features: mean and deviation of each. Points: one origin and one unit for all, so that their shape survives.
    Sensors: one unit for the axes of each, and zero stays zero, so that turning the sensor turns its numbers.
    """
    mean, spread = values.mean(0), values.std(0, unbiased=False)
    if kind not in AXES:
        return mean, spread.clamp(min=1e-6)
    parts = spread.reshape(-1, AXES[kind]).pow(2).mean(-1).sqrt()
    if kind == "inertial":
        return torch.zeros_like(mean), parts.repeat_interleave(AXES[kind]).clamp(min=1e-6)
    origin = mean.reshape(-1, AXES[kind]).mean(0).repeat(len(parts))
    return origin, (values - origin).std(unbiased=False).clamp(min=1e-6).expand_as(mean).clone()


def front(kind: str, size: int) -> Front:
    """The view of a modality of this kind with ``size`` numbers a step."""
    if kind == "inertial":
        return Worn(size)
    return Body(size, AXES[kind]) if kind in AXES else Plain(size)


class Front(nn.Module, ABC):
    """A view: [n, steps, D] in the units of its kind to [n, steps, channels], each channel of deviation about 1.

    Attributes:
        channels: how many numbers it makes of a step.
        center, scale: [channels], measured by `measure`.
    """

    center: Tensor
    scale: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.register_buffer("center", torch.zeros(channels))
        self.register_buffer("scale", torch.ones(channels))

    def measure(self, x: Tensor) -> None:
        """Learn what there is to learn without training, from clips ``x``."""
        seen = self.view(x)
        spread = seen.std((0, 1))
        self.center.copy_(seen.mean((0, 1)))
        # Channels of one view share a unit: what hardly moves must not be blown up until it is all noise.
        self.scale.copy_(spread.clamp(min=0.3 * float(spread.median()) + 1e-6))

    def forward(self, x: Tensor) -> Tensor:
        """What is seen of ``x``, in deviations from what is usual."""
        seen: Tensor = ((self.view(x) - self.center) / self.scale).clamp(-10, 10)
        return seen

    @abstractmethod
    def view(self, x: Tensor) -> Tensor:
        """What is seen of ``x``, in its own units."""


class Plain(Front):
    """Features: their deviations from the clip's mean (where one stands is not what one does), changes, values."""

    within: Tensor

    def __init__(self, size: int) -> None:
        super().__init__(3 * size)
        self.register_buffer("within", torch.ones(size))

    def measure(self, x: Tensor) -> None:
        """Only how far each number moves within a clip: the units are those of the features already."""
        within = (x - x.mean(1, keepdim=True)).pow(2).mean((0, 1)).sqrt()
        self.within.copy_(within.clamp(min=0.5 * float(within.pow(2).mean().sqrt()) + 1e-6))

    def view(self, x: Tensor) -> Tensor:
        """Deviations, changes, values."""
        own = (x - x.mean(1, keepdim=True)) / self.within
        return torch.cat([own, 3 * changes(own), x], -1)


class Worn(Front):
    """Axes of a worn sensor: as they are, their changes, and their deviations (how it is held is not what is done).

    The deviations also with the clip's own strength as unit, and summed up (from acceleration to speed, from turning
    to direction); and the length of each sensor's vector, which no rotation changes.
    """

    def __init__(self, size: int) -> None:
        super().__init__(5 * size + size // 3)

    def view(self, x: Tensor) -> Tensor:
        """Values, changes, deviations, the same of strength 1, their sums, and lengths."""
        own = x - x.mean(1, keepdim=True)
        strength = own.pow(2).mean((1, 2), keepdim=True).add(2.5e-3).sqrt()
        lengths = by_axes(x, 3).pow(2).sum(-1).add(1e-6).sqrt()
        return torch.cat([x, changes(x), own, own / strength, own.cumsum(1) / 8, lengths], -1)


class Body(Front):
    """Points of a body, on bones that are found: a body of usual build that does the same, its motion, and its path.

    Bones are the pairs whose distance changes least within clips, as many as join all points (the minimum spanning
    tree of the deviations of distances); the root is the point with the steadiest distances. Every bone keeps its
    direction and gets its usual length, so that what is seen depends on no person's size and on no place.

    Attributes:
        bones: [P - 1, P], +1 at the far end and -1 at the near end of each.
        chains: [P, P - 1], 1 for the bones between the root and each point.
        lengths: [P - 1], usual, in those of the body.
        root: [P], 1 at the root.
    """

    bones: Tensor
    chains: Tensor
    lengths: Tensor
    root: Tensor

    def __init__(self, size: int, axes: int) -> None:
        points = size // axes
        super().__init__(2 * size + (points - 1) * axes + axes)
        self.axes = axes
        self.register_buffer("bones", torch.zeros(points - 1, points))
        self.register_buffer("chains", torch.zeros(points, points - 1))
        self.register_buffer("lengths", torch.ones(points - 1))
        self.register_buffer("root", torch.zeros(points))

    def measure(self, x: Tensor) -> None:
        """Find the bones, then the units."""
        at = by_axes(x, self.axes)
        root, pairs = tree(spread_of_distances(at))
        self.root.zero_()[root] = 1
        self.bones.zero_()
        self.chains.zero_()
        for bone, (near, far) in enumerate(pairs):
            self.bones[bone, far], self.bones[bone, near] = 1, -1
            self.chains[far] = self.chains[near]
            self.chains[far, bone] = 1
        size = self._placed(at)[2]
        self.lengths.copy_(((self.bones @ at).pow(2).sum(-1).sqrt() / size.squeeze(-1)).mean((0, 1)))
        super().measure(x)

    def _placed(self, at: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Points [n, steps, P, axes] from the root; the root's way from its mean; the body's mean size [n, 1, 1, 1]."""
        root = (self.root[:, None] * at).sum(2, keepdim=True)
        own = at - root
        size = own.pow(2).sum(-1, keepdim=True).add(1e-9).sqrt().mean((1, 2), keepdim=True).clamp(min=1e-3)
        return own, root - root.mean(1, keepdim=True), size

    def view(self, x: Tensor) -> Tensor:
        """The usual body's points, their changes, the bones' directions, and the way of the root."""
        at = by_axes(x, self.axes)
        own, way, size = self._placed(at)
        bones = self.bones @ own
        directions = bones / (bones.pow(2).sum(-1, keepdim=True).add(1e-9).sqrt() + _STIFF)
        usual = (self.chains @ (directions * self.lengths[:, None])).flatten(2)
        return torch.cat([usual, changes(usual), directions.flatten(2), (way / size).flatten(2)], -1)


def by_axes(x: Tensor, axes: int) -> Tensor:
    """``x`` [..., D] as points or sensors [..., D / axes, axes]."""
    return x.reshape(*x.shape[:-1], -1, axes)


def changes(x: Tensor) -> Tensor:
    """Differences between steps of ``x`` [n, steps, D]; the first is 0."""
    return torch.cat([torch.zeros_like(x[:, :1]), x[:, 1:] - x[:, :-1]], 1)


# --- bones -----------------------------------------------------------------------------


def spread_of_distances(at: Tensor) -> Tensor:
    """How much the distance of each pair [P, P] changes within clips ``at`` [n, steps, P, axes].

    The root of the mean of the clips' variances: by how much people differ does not count, and two knees that move
    apart in few clips only are no bone.
    """
    some = at[:: max(1, len(at) // 400), ::6]
    apart = torch.cdist(some, some, compute_mode="donot_use_mm_for_euclid_dist")
    return apart.var(1, unbiased=False).mean(0).sqrt()


def tree(spread: Tensor) -> tuple[int, list[tuple[int, int]]]:
    """The steadiest point, and (near, far) of the bones that join all to it, nearest first (Prim 1957)."""
    root = int(spread.sum(1).argmin())
    inside, pairs = [root], []
    for _ in range(len(spread) - 1):
        outside = [p for p in range(len(spread)) if p not in inside]
        best = int(spread[inside][:, outside].argmin())
        near, far = inside[best // len(outside)], outside[best % len(outside)]
        pairs.append((near, far))
        inside.append(far)
    return root, pairs
