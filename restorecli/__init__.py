"""Restore whole folders of photos with published neural networks."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("restorecli")
except PackageNotFoundError:  # run from a checkout that was never installed
    __version__ = "0.0.0"
