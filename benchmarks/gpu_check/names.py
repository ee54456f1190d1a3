"""What the watching process knows of the parts without waiting for torch."""

LOST = 75
"""The exit code of a process whose device is lost; another one goes on."""
NO_DEVICE = 76
"""Its exit code where torch sees no device."""
NAMES = (
    "parity", "shortage", "folder", "small", "times", "kernels", "sweep", "predicted", "exactness", "busy",
    "training", "bench",
)  # fmt: skip
