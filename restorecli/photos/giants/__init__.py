"""Photos too large to be held: read, and their results kept, some rows at a time."""
