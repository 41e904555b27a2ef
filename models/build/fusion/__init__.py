"""Fusion as a product: networks for any co-recorded senses, trained, measured and exported by one command."""
