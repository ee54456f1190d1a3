"""Restore whole folders of photos with published neural networks."""


def __getattr__(name: str) -> str:
    """Look the version up when it is asked for: the command's start is not to wait for it."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("restorecli")
    except PackageNotFoundError:  # run from a checkout that was never installed
        return "0.0.0"
