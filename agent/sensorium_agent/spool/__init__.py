"""The spool: windows on disk until the cloud has them, whatever happens to the power."""
