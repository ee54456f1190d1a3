"""Photo files: which there are, how they are read and written, which results were written before.

`read` and `write` are the way in and out: `formats/` decodes and encodes, `raw/` reads camera RAW,
`metadata/` carries what stands beside the pixels. `inputs` finds files, `naming` plans the names of results,
`records` keeps the record of them; a `raster.Raster` is a picture as a decoder gives it.
"""
