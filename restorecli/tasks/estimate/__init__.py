"""How noisy a photo is (`noise`), and how strongly it was compressed (`jpeg`, `jpeg_traces`)."""
