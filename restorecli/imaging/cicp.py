"""Colour by coding-independent code points: what a PNG's cICP, an AVIF's nclx and an ICC's cicp tag say.

Sources: ITU-T H.273 (tables 2 and 3: primaries, transfer characteristics), ITU-R BT.1886 (the display curve
of BT.709 and its relatives), PNG specification, third edition (cICP).
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from restorecli.imaging import icc

PQ, HLG = 16, 18
UNSPECIFIED = 2
_C = (0.310, 0.316)  # CIE illuminant C, as H.273 rounds it
_D65 = (0.3127, 0.3290)

# Code → x and y of white, red, green and blue.
PRIMARIES: dict[int, tuple[float, ...]] = {
    1: icc.SPACES["srgb"],
    4: (*_C, 0.67, 0.33, 0.21, 0.71, 0.14, 0.08),
    5: (*_D65, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06),
    6: (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    7: (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    8: (*_C, 0.681, 0.319, 0.243, 0.692, 0.145, 0.049),
    9: icc.SPACES["rec2020"],
    10: (1 / 3, 1 / 3, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0),
    11: (0.314, 0.351, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    12: icc.SPACES["display-p3"],
    22: (*_D65, 0.630, 0.340, 0.295, 0.605, 0.155, 0.077),
}
_BT1886 = icc.gamma_curve(2.4)
_CURVES: dict[int, bytes] = {
    1: _BT1886,
    4: icc.gamma_curve(2.2),
    5: icc.gamma_curve(2.8),
    6: _BT1886,
    7: _BT1886,
    8: icc.gamma_curve(1.0),
    11: _BT1886,
    12: _BT1886,
    13: icc.srgb_curve(),
    14: _BT1886,
    15: _BT1886,
    17: icc.gamma_curve(2.6),
}


class Cicp(NamedTuple):
    """Code points of H.273: colour primaries, transfer characteristics, matrix coefficients, full range."""

    primaries: int
    transfer: int
    matrix: int = 0
    full_range: bool = True

    @property
    def is_hdr(self) -> bool:
        """Whether the samples are PQ or HLG signals of ITU-R BT.2100."""
        return self.transfer in (PQ, HLG)

    @property
    def is_known(self) -> bool:
        """Whether both colours and curve are among those that are understood, or left open."""
        curve = self.is_hdr or self.transfer in _CURVES or self.transfer == UNSPECIFIED
        return curve and (self.primaries in PRIMARIES or self.primaries == UNSPECIFIED)

    @property
    def chromaticities(self) -> tuple[float, ...]:
        """X and y of white, red, green and blue; those of sRGB where they are left open."""
        return PRIMARIES.get(self.primaries, PRIMARIES[1])

    def profile(self, gray: bool = False) -> bytes | None:
        """An ICC profile that says the same; None for plain sRGB, and for what is HDR or not known."""
        if self.is_hdr or not self.is_known:
            return None
        plain = self.transfer in (13, UNSPECIFIED)
        if plain and (gray or self.primaries in (1, UNSPECIFIED)):
            return None
        curve = _CURVES.get(self.transfer, icc.srgb_curve())
        name = f"CICP {self.primaries}/{self.transfer}"
        if gray:
            return icc.gray_profile(curve, name)
        return icc.rgb_profile(self.chromaticities, curve, name)


def of_profile(profile: bytes) -> Cicp | None:
    """What the cicp tag of an ICC profile says (ICC.1:2022, 9.2.17); None where it has none."""
    if len(profile) < 132:
        return None
    (count,) = struct.unpack_from(">I", profile, 128)
    for index in range(min(count, 200)):
        if len(profile) < 144 + 12 * index:
            return None
        name, at, size = struct.unpack_from(">4sII", profile, 132 + 12 * index)
        if name == b"cicp" and size >= 12 and at + 12 <= len(profile) and profile[at : at + 4] == b"cicp":
            primaries, transfer, matrix, full_range = profile[at + 8 : at + 12]
            return Cicp(primaries, transfer, matrix, bool(full_range))
    return None
