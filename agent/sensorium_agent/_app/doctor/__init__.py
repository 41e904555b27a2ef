"""`sensorium doctor`: what a machine has and lacks for its settings, and how to mend it."""
