"""PQ and HLG against colour-science's functions of the standards, and the tone curve's way back."""

from __future__ import annotations

import colour.models as models
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from restorecli.imaging import cicp, hdr, icc

SIGNAL = np.linspace(0, 1, 257, dtype=np.float32)
WEIGHTS = np.array([0.2627, 0.6780, 0.0593])


def test_pq_is_that_of_st_2084():
    expected = models.eotf_ST2084(SIGNAL.astype(float)) / 203
    assert np.allclose(hdr.pq_to_light(SIGNAL), expected, rtol=1e-5, atol=1e-7)
    assert np.allclose(hdr.light_to_pq(hdr.pq_to_light(SIGNAL)), SIGNAL, atol=1e-6)


def test_hlg_is_that_of_bt_2100_on_a_display_of_1000_cd():
    rgb = np.random.default_rng(0).random((5, 7, 3)).astype(np.float32)
    expected = models.eotf_BT2100_HLG(rgb.astype(float), L_B=0, L_W=1000) / 203
    assert np.allclose(hdr.hlg_to_light(rgb, WEIGHTS), expected, rtol=1e-3, atol=1e-4)
    assert np.allclose(hdr.light_to_hlg(hdr.hlg_to_light(rgb, WEIGHTS), WEIGHTS), rgb, atol=1e-5)


@given(peak=st.floats(1, 50), share=st.floats(0, 1))
def test_the_tone_curve_can_be_undone(peak, share):
    light = np.array([share * peak], np.float32)
    seen = hdr.compress(light, peak)
    assert 0 <= seen[0] <= 1 + 1e-6
    assert hdr.expand(seen, peak)[0] == pytest.approx(light[0], rel=1e-3, abs=1e-5)


def test_light_of_an_ordinary_photo_is_left_as_it_is():
    light = np.linspace(0, 1, 33, dtype=np.float32)
    assert np.allclose(hdr.compress(light, 1.0), light, atol=1e-7)


@pytest.mark.parametrize(
    ("code", "name"),
    [(1, "ITU-R BT.709"), (4, "ITU-R BT.470 - 525"), (5, "ITU-R BT.470 - 625"), (6, "SMPTE 240M"),
     (9, "ITU-R BT.2020"), (11, "DCI-P3"), (12, "Display P3")],
)  # fmt: skip
def test_primaries_are_those_that_colour_science_lists(code, name):
    space = models.RGB_COLOURSPACES[name]
    assert np.allclose(np.reshape(cicp.PRIMARIES[code][2:], (3, 2)), space.primaries, atol=2e-3)
    assert np.allclose(cicp.PRIMARIES[code][:2], space.whitepoint, atol=1e-3)


def test_plain_srgb_needs_no_profile_and_hdr_has_none():
    assert cicp.Cicp(1, 13).profile() is None
    assert cicp.Cicp(2, 2).profile() is None
    assert cicp.Cicp(9, cicp.PQ).profile() is None
    assert cicp.Cicp(12, 13).profile() is not None


def test_the_cicp_tag_of_a_profile_is_found():
    plain = icc.rgb_profile(icc.SPACES["rec2020"], icc.srgb_curve(), "x")
    assert cicp.of_profile(plain) is None
    count = int.from_bytes(plain[128:132], "big")
    moved = bytearray(plain[:132])
    moved[128:132] = (count + 1).to_bytes(4, "big")
    for index in range(count):
        at = 132 + 12 * index
        offset = int.from_bytes(plain[at + 4 : at + 8], "big") + 12
        moved += plain[at : at + 4] + offset.to_bytes(4, "big") + plain[at + 8 : at + 12]
    moved += b"cicp" + (len(plain) + 12).to_bytes(4, "big") + (12).to_bytes(4, "big")
    moved += plain[132 + 12 * count :] + b"cicp\0\0\0\0" + bytes([9, 16, 0, 1])
    assert cicp.of_profile(bytes(moved)) == cicp.Cicp(9, 16, 0, True)
