"""Heart and skin: what they say of a person."""

from __future__ import annotations

from sensorium_agent.infer.biometric.arousal import Arousal
from sensorium_agent.infer.biometric.features import FEATURES
from sensorium_agent.infer.biometric.perceive import USUAL, BiometricPerceiver, Limits
from sensorium_agent.infer.biometric.rate import NORMAL, Bounds, name

__all__ = ["FEATURES", "NORMAL", "USUAL", "Arousal", "BiometricPerceiver", "Bounds", "Limits", "name"]
