"""One module per file format or codec; `kinds` recognises formats, `table` says what each can hold.

Decoders give a `photos.raster.Raster`; `encode` turns a photo into a `page.Page` and writes it.
"""
