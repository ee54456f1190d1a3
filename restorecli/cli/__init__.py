"""The command line: one module per command, named after it, and what commands share.

`app` puts them together, `options` declares the options of all restoring commands, `restoring` runs one;
`bench/` holds the parts of `restore bench`.
"""
