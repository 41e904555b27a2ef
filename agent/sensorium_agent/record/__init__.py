"""Sessions on disk: written while they happen, taken again at any speed, with faults if asked for.

The file is MCAP (mcap.dev) with protobuf messages; docs/replay.md says what is in it.
"""
