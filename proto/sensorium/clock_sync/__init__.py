"""Other devices' clocks, told on this device's: offset, skew and a bound on the error."""
