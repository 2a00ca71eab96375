"""Tables of experiments: what is missing is trained and scored, and all of it compared."""
