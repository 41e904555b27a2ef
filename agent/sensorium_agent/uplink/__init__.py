"""Windows from the spool to the cloud, refined symbols back: link, delivery, stream, channel, replicas."""
