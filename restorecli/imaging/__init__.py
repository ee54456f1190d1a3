"""Arithmetic on pixel arrays, without files or networks: mosaics, colour spaces, ICC profiles, resizing.

`develop` makes a finished picture of demosaiced camera RGB.
"""
