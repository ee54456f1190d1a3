"""Blur of one shape all over a picture: what it is, and taking it out."""
