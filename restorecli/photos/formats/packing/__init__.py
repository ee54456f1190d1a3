"""Files whose pixels are deflated here rather than by a library that writes the whole file."""
