"""Run directories: what a training leaves, and forecasts from it."""
