"""A tensor in, a tensor out: tiles, blending, precision, memory and devices. Knows no files, photos or tasks.

`prepare.prepare` prepares a network once, `run.run` puts one image through it.
"""
