"""Passes of a network made quicker: compiled, or recorded as a CUDA graph."""
