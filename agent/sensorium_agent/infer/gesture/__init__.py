"""Hands: found, measured, named."""
