"""Restore whole folders of photos with published neural networks.

The command is ``restore``; in Python, ``restorecli.denoise(image)`` and its like do the same to one picture,
and `Restorer` to many. Nothing heavy is imported before one of them is asked for.
"""

_LIBRARY = {
    "auto": "functions",
    "deblur": "functions",
    "dejpeg": "functions",
    "demosaic": "functions",
    "denoise": "functions",
    "enhance": "functions",
    "upscale": "functions",
    "RestoreWarning": "restorer",
    "Restored": "restorer",
    "Restorer": "restorer",
}
__all__ = sorted(_LIBRARY)


def __getattr__(name: str) -> object:
    """Look up what takes time only when it is asked for: the command's start is not to wait for it."""
    from importlib import import_module

    if name in _LIBRARY:
        return getattr(import_module(f"restorecli.library.{_LIBRARY[name]}"), name)
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("restorecli")
    except PackageNotFoundError:  # run from a checkout that was never installed
        return "0.0.0"


def __dir__() -> list[str]:
    """Name what there is."""
    return [*__all__, "__version__"]
