"""The restoring commands as data: their options, and the stages that follow from them.

One module per command; `table` lists them, `description` is a run (steps and shared options) that can be
stored and sent elsewhere, `ready` makes what the pipeline needs of it. Nothing here knows of terminals.
"""
