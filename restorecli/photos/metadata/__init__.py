"""What stands beside the pixels of a file: EXIF, IPTC, TIFF tags, ICC profiles.

`carried` decides what reaches the result; `profiles` converts colours to the working space and back.
"""
