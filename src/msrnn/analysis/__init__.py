"""Costs of a model: memory, arithmetic, receptive fields, benchmarks. Needs torch and numpy alone."""
