"""Training: the step, the sequences it sees, and what it leaves in a run directory."""
