"""Object stores: names with ``://``, read and written by fsspec, which is imported when one is met."""
