"""Formats whose files are made of boxes (ISO/IEC 14496-12): JPEG 2000, JPEG XL, AVIF and HEIF."""
