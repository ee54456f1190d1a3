"""PANet and PA-EDSR: `network` is the whole, `pyramid_attention` its attention over scales."""
