"""Defaults of the user's own: `restore.toml` and presets, below the command line and variables."""
