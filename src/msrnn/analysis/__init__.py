"""What a model costs and sees: memory, arithmetic, receptive fields, benchmarks. Needs torch and numpy alone."""
