"""What can be asked of developing, by name."""

from __future__ import annotations

from restorecli.errors import UsageError, unknown_value
from restorecli.imaging.bayer import PATTERNS
from restorecli.imaging.develop import COLOUR_SPACES, HIGHLIGHTS, WHITE_BALANCES

MOST_EXPOSURE = 10  # stops
STRONGEST = 4.0  # times the noise that there is
XTRANS = "XTRANS"
"""What the X-Trans pattern is called by options: one that starts as `xtrans.PATTERN` does."""


def check_choices(
    pattern: str, white_balance: str, highlights: str, color_space: str, exposure: float
) -> None:
    """See that each is one there is; `tasks.demosaic.Demosaic` tells what they mean.

    Raises:
        UsageError: one is not.
    """
    for option, value, known in (
        ("--pattern", pattern, ("auto", *PATTERNS, XTRANS)),
        ("--white-balance", white_balance, WHITE_BALANCES),
        ("--highlights", highlights, HIGHLIGHTS),
        ("--color-space", color_space, COLOUR_SPACES),
    ):
        if value not in known:
            raise unknown_value(option, value, known)
    if not abs(exposure) <= MOST_EXPOSURE:
        raise UsageError(
            f"--exposure {exposure:g} is more than can be sensible",
            f"give at most {MOST_EXPOSURE} stops, up or down",
        )


def check_strength(strength: float | None) -> None:
    """See that as much of the noise can be taken out; None stands for as much as suits the photo.

    Raises:
        UsageError: it cannot.
    """
    if strength is not None and not 0 <= strength <= STRONGEST:
        raise UsageError(
            f"--denoise {strength:g} is more noise than there is",
            f"give auto, off or a number up to {STRONGEST:g}",
        )
