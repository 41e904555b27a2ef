"""The device: samples in, symbols out, by a deadline, with or without a cloud."""
