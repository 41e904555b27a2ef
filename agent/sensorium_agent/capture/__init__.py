"""One sensor each: every module turns a device into samples."""
