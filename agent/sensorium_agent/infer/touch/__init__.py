"""Fingers on a pad: what they meant."""

from __future__ import annotations

from sensorium_agent.infer.touch.contact import Stroke
from sensorium_agent.infer.touch.feel import USUAL, Answer, Feel
from sensorium_agent.infer.touch.perceive import TouchPerceiver
from sensorium_agent.infer.touch.shape import POINTS, shape
from sensorium_agent.infer.touch.taught import Strokes, Touching

__all__ = ["POINTS", "USUAL", "Answer", "Feel", "Stroke", "Strokes", "TouchPerceiver", "Touching", "shape"]
