"""Files looked at and listened to: `sensorium see` and `sensorium hear`, and what they draw."""
