"""``restore config``, and defaults of the user's own for all commands."""
