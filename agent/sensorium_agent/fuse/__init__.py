"""A window becomes the device's symbol: readings, then the network or pooling by rules, then the symbol."""
