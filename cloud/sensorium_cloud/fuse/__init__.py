"""Windows become symbols: what all signals mean together."""
