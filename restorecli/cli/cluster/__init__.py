"""``--cluster``: runs that this process only leads."""
