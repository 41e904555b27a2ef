"""Windows from the disk to the cloud, symbols back: outbox and delivery say what is sent, the link sends it."""
