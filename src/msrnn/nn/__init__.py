"""The networks: cells, pyramid, roll-out, memory modes. They run with torch and numpy alone."""
