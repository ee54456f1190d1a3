"""The colours that an AV1 stream names in its sequence header, for AVIF files whose boxes name none.

Source: AV1 Bitstream & Decoding Process Specification, 5.3 (OBUs), 5.5.1 and 5.5.2 (sequence header).
"""

from __future__ import annotations

from restorecli.imaging.cicp import Cicp

_SEQUENCE_HEADER = 1
_UNSPECIFIED = 2
_MOST = 4096  # bytes; a sequence header, which comes first, takes 400 at most


class _Bits:
    """Bits of a few bytes, from the first one on; those beyond the end are an `IndexError`."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, count: int = 1) -> int:
        value = 0
        for _ in range(count):
            value = value << 1 | self._data[self._at >> 3] >> (7 - (self._at & 7)) & 1
            self._at += 1
        return value

    def take_exp_golomb(self) -> None:
        """Pass a number of variable length, uvlc()."""
        zeros = 0
        while not self.take():
            zeros += 1
        self.take(zeros if zeros < 32 else 0)


def colours_of(stream: bytes) -> Cicp | None:
    """The code points in the first sequence header of an AV1 stream; None where there are none."""
    try:
        return _colour_config(_Bits(_sequence_header(stream[:_MOST])))
    except IndexError:
        return None


def _sequence_header(obus: bytes) -> bytes:
    """The payload of the first sequence header. `IndexError` where there is none."""
    at = 0
    while True:
        kind, extended, sized = obus[at] >> 3 & 15, obus[at] >> 2 & 1, obus[at] >> 1 & 1
        at += 1 + extended
        length = shift = 0
        while sized:  # leb128
            length |= (obus[at] & 127) << shift
            shift += 7
            at += 1
            if obus[at - 1] < 128:
                break
        end = at + length if sized else len(obus)
        if kind == _SEQUENCE_HEADER:
            return obus[at:end]
        at = end


def _colour_config(bits: _Bits) -> Cicp | None:
    profile, _, reduced = bits.take(3), bits.take(), bits.take()
    if reduced:
        bits.take(5)
    else:
        _pass_operating_points(bits)
    across, down = bits.take(4) + 1, bits.take(4) + 1
    bits.take(across + down)
    if not reduced and bits.take():  # frame numbers
        bits.take(7)
    bits.take(3)
    if not reduced:
        _pass_tools(bits)
    bits.take(3)
    deep = bits.take()
    if profile == 2 and deep:
        bits.take()
    gray = profile != 1 and bits.take()
    if not bits.take():
        return None
    primaries, transfer, matrix = bits.take(8), bits.take(8), bits.take(8)
    is_srgb = not gray and (primaries, transfer, matrix) == (1, 13, 0)
    full = True if is_srgb else bool(bits.take())
    if (primaries, transfer) == (_UNSPECIFIED, _UNSPECIFIED):
        return None
    return Cicp(primaries, transfer, matrix, full)


def _pass_operating_points(bits: _Bits) -> None:
    modelled, delay = 0, 0
    if bits.take():  # timing
        bits.take(64)
        if bits.take():
            bits.take_exp_golomb()
        modelled = bits.take()
        if modelled:
            delay = bits.take(5) + 1
            bits.take(42)
    delayed = bits.take()
    for _ in range(bits.take(5) + 1):
        bits.take(12)
        if bits.take(5) > 7:
            bits.take()
        if modelled and bits.take():
            bits.take(2 * delay + 1)
        if delayed and bits.take():
            bits.take(4)


def _pass_tools(bits: _Bits) -> None:
    bits.take(4)
    ordered = bits.take()
    if ordered:
        bits.take(2)
    screen = 2 if bits.take() else bits.take()
    if screen and not bits.take():
        bits.take()
    if ordered:
        bits.take(3)
