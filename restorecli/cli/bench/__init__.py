"""`restore bench`: `command` reads the options, one module per kind of measurement, `show` prints tables."""
