"""The noise of known cameras by ISO speed, and that of a usual one.

Source of the cameras: P. Hanji, F. Zhong, R. K. Mantiuk, "Noise-aware merging of high dynamic range image
stacks without camera calibration", ECCV 2020 workshops, who measured them with a calibration target. Their
model (equation 2): var = g·k·x + k²·(g²·read² + adc²) for values x in counts of the converter, g = ISO ÷ 100.
"""

from __future__ import annotations

from dataclasses import dataclass

from restorecli.photo import RawNoise, Triple

FULL_WELL = 30_000
"""Electrons at which a sample of a usual sensor, of APS-C size, saturates at ISO 100."""

READ_ELECTRONS = 3.0
"""Standard deviation of such a sensor's read noise at high ISO, in electrons."""


@dataclass(frozen=True)
class Sensor:
    """A measured camera.

    Attributes:
        counts: the converter's counts per electron at ISO 100, of R, G and B.
        read: noise before the amplifier, standard deviation in electrons.
        converter: noise behind it, in electrons at ISO 100.
        bits: of the converter.
    """

    counts: Triple
    read: float
    converter: float
    bits: int

    def at(self, iso: float) -> tuple[Triple, Triple]:
        """Return shot and read variances at an ISO speed, of values that the converter's range is 1 of."""
        gain, full = iso / 100, 2.0**self.bits - 1
        electrons = (gain * self.read) ** 2 + self.converter**2
        red, green, blue = (count / full for count in self.counts)
        return (
            (gain * red, gain * green, gain * blue),
            (electrons * red**2, electrons * green**2, electrons * blue**2),
        )


_A7R = Sensor((0.327064, 0.330341, 0.32096), 0.699102, 0.0358603, 14)
_A7R3 = Sensor((0.422044, 0.384277, 0.388967), 0.705127, 3.02845, 14)
_EOS_500D = Sensor((1.36308, 1.18256, 1.15319), 0.938028, 5.00525, 14)
_GALAXY_S9 = Sensor((0.303362, 0.312534, 0.320971), 1.06331, 2.3726, 10)

CAMERAS = {
    "sony ilce-7r": _A7R,
    "sony ilce-7rm3": _A7R3,
    "canon eos 500d": _EOS_500D,
    "canon eos rebel t1i": _EOS_500D,
    "canon eos kiss x3": _EOS_500D,
    "samsung sm-g960f": _GALAXY_S9,
    "samsung sm-g960u": _GALAXY_S9,
}
"""Camera, as EXIF names maker and model, in lower case → its sensor."""


def of_camera(camera: str, iso: float) -> RawNoise | None:
    """Return the noise of a camera in the table; None where it is not there or the speed is not known."""
    sensor = CAMERAS.get(" ".join(camera.lower().split()))
    if sensor is None or iso <= 0:
        return None
    shot, read = sensor.at(iso)
    return RawNoise(shot, read, f"{camera} at ISO {iso:g} in the table of cameras")


def usual(iso: float) -> RawNoise:
    """Return the noise of a usual sensor: half the electrons for twice the speed."""
    electrons = FULL_WELL * 100 / iso
    shot, read = 1 / electrons, (READ_ELECTRONS / electrons) ** 2
    source = f"a usual sensor at ISO {iso:g}: the camera itself is not known"
    return RawNoise((shot, shot, shot), (read, read, read), source)
