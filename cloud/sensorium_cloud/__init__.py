"""The cloud: windows in, refined symbols out."""
