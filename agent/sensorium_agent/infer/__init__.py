"""Perceivers: samples of one sense in, events out."""
