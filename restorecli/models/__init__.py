"""Which weights exist, and how they get from their authors into a network."""
