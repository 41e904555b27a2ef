"""How a network of clips is trained: what can be chosen, with what was."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a network is trained; the defaults were chosen on people left out of UTD-MHAD's training half.

    Attributes:
        epochs: over all clips.
        batch: clips a step.
        rate: highest learning rate; one cycle (Smith 2018).
        absent: how often a sense is left out of a clip.
        noisy: how often one of a clip's senses gets noise of 0.3 to 4 standard deviations.
        mismatched: how often a sense comes from another clip of another class.
        moved: how often a sense is moved towards another person's mean and spread.
        shifted: deviation of random offsets, in those of the clips' means.
        turned: deviation of the angles points are turned by, in radians; sensors by 1.4 times that.
        stretched: deviation of the log of what each axis is stretched by.
        off: deviation of what each point or axis is off, in the units of its kind.
        mixed: how often a clip is mixed with another.
        alone: weight of the losses of single senses.
        smoothing: of the classes (Szegedy et al. 2016).
    """

    epochs: int = 45
    batch: int = 48
    rate: float = 3e-3
    decay: float = 0.05
    absent: float = 0.35
    noisy: float = 0.4
    mismatched: float = 0.12
    moved: float = 0.5
    shifted: float = 1.0
    turned: float = 0.25
    stretched: float = 0.13
    off: float = 0.05
    mixed: float = 0.5
    alone: float = 0.7
    smoothing: float = 0.05
    width: int = 64
    layers: int = 2
    dropout: float = 0.15


def total_steps(clips: int, recipe: Recipe) -> int:
    """Steps one training takes."""
    return recipe.epochs * max(1, round(clips / recipe.batch))
