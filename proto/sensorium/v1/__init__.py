"""Version 1 of the contract: the sources, and the code `proto/generate.py` makes of them."""
