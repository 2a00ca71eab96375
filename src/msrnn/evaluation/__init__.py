"""Scores of a trained model on held-out sequences, beside baselines."""
