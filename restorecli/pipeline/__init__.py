"""The story of the tool: photos are read, restored and written.

`photo` is what happens to one photo, whoever runs it; `threads` does it for many on this machine, decoding,
restoring and encoding at the same time (`workers` are its threads, `gate` and `needs` keep it within memory);
`tally` counts what came of them.
"""
