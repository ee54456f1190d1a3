"""Formats of rows of samples, hardly compressed: BMP and Netpbm."""
