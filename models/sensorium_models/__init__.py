"""The model store: which weights, from which package, with which hash; shared by device and cloud."""
