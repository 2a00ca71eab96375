"""The networks: cells, pyramid, roll-out, memory modes. Runs with torch and numpy alone."""
