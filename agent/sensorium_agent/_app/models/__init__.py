"""The models as an operator meets them: measured, replaced, watched, and what could run them faster."""
