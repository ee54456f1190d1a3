"""GRL: the `network`, its mixed `attention` (with `bias` and `windows`), and the `keys` of released files."""
