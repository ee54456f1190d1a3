"""Camera RAW by LibRaw and by its tags: sensor samples, levels, colour, EXIF. `decode` is the way in."""
