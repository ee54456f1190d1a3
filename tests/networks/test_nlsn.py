from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.references import nlsn as reference_nlsn
from restorecli.errors import CheckpointError
from restorecli.networks import from_checkpoint, from_native
from restorecli.networks.checkpoint import rename
from restorecli.networks.nlsn import LAYOUT, NLSN, SparseAttention, bucket_count
from tests.networks.seeded import Parity, decibels, parity_error

SMALL = "nlsn-tiny-batch"


def rotations(reference: Parity) -> list[torch.Tensor]:
    count = sum(name.startswith("rotations_") for name in reference.arrays)
    return [torch.from_numpy(reference.arrays[f"rotations_{i}"]) for i in range(count)]


def build(reference: Parity) -> NLSN:
    chosen = {name: reference.config[name] for name in ("res_scale", "chunk_size", "n_hashes")}
    network = from_checkpoint("nlsn", reference.state_dict, **chosen)
    assert isinstance(network, NLSN)
    return network


@pytest.mark.parametrize(
    "name",
    [
        SMALL,
        pytest.param("nlsn-upscale-x2", marks=pytest.mark.shared),
        pytest.param("nlsn-upscale-x4", marks=pytest.mark.shared),
    ],
)
def test_gives_the_pixels_of_the_released_code(name: str, parity: Callable[[str], Parity]) -> None:
    reference = parity(name)
    assert parity_error(build(reference)(reference.input, rotations(reference)), reference.output) < 1e-5


def test_the_straightforward_formulation_gives_the_same_pixels(parity: Callable[[str], Parity]) -> None:
    reference = parity(SMALL)
    plain = reference_nlsn.build(reference.state_dict, **reference.settings)
    assert parity_error(plain(reference.input, rotations(reference)), reference.output) < 1e-5


def test_every_released_key_is_used_once_and_every_key_of_ours_is_met(
    parity: Callable[[str], Parity],
) -> None:
    reference = parity(SMALL)
    renamed = rename(reference.state_dict, LAYOUT)
    assert len(renamed) == len(reference.state_dict)
    assert set(renamed) == set(build(reference).state_dict())


def test_constants_in_the_file_wrappers_and_prefixes_change_nothing(parity: Callable[[str], Parity]) -> None:
    reference = parity(SMALL)
    full = {key: torch.zeros(reference.keys[key]["shape"]) for key in reference.fixed_keys}
    wrapped = {
        "state_dict": {f"module.{k}": v for k, v in {**reference.state_dict, **full}.items()},
        "epoch": 7,
    }
    network = from_checkpoint("nlsn", wrapped, res_scale=0.1, chunk_size=32, n_hashes=2)
    assert parity_error(network(reference.input, rotations(reference)), reference.output) < 1e-5


def test_settings_that_contradict_the_shapes_are_refused(parity: Callable[[str], Parity]) -> None:
    with pytest.raises(CheckpointError, match="scale is 2"):
        from_checkpoint("nlsn", parity(SMALL).state_dict, scale=4)


def test_a_fixture_s_whole_configuration_may_be_given(parity: Callable[[str], Parity]) -> None:
    reference = parity(SMALL)
    network = from_checkpoint("nlsn", reference.state_dict, **reference.config)
    assert parity_error(network(reference.input, rotations(reference)), reference.output) < 1e-5


def test_a_missing_tensor_is_named(parity: Callable[[str], Parity]) -> None:
    state = dict(parity(SMALL).state_dict)
    del state["body.3.body.2.weight"]
    with pytest.raises(CheckpointError, match=r"body\.3\.conv_out\.weight"):
        from_checkpoint("nlsn", state, n_resblocks=8)


def test_an_unknown_tensor_is_named(parity: Callable[[str], Parity]) -> None:
    state = {**parity(SMALL).state_dict, "extra.weight": torch.zeros(1)}
    with pytest.raises(CheckpointError, match=r"extra\.weight"):
        from_checkpoint("nlsn", state)


def test_our_own_keys_and_settings_build_the_same_network(parity: Callable[[str], Parity]) -> None:
    reference = parity(SMALL)
    network = build(reference)
    again = from_native("nlsn", network.state_dict(), network.settings)
    assert torch.equal(again(reference.input), network(reference.input))


@pytest.fixture(scope="module")
def light() -> NLSN:
    torch.manual_seed(0)
    return NLSN(features=16, blocks=2, scale=2, chunk_size=16, hashes=2, blocks_per_attention=2).eval()


@settings(deadline=None, max_examples=25)
@given(height=st.integers(1, 23), width=st.integers(1, 23))
def test_any_size_is_enlarged(light: NLSN, height: int, width: int) -> None:
    output = light(torch.rand(1, 3, height, width))
    assert output.shape == (1, 3, 2 * height, 2 * width)
    assert output.isfinite().all()


def test_a_batch_gives_what_its_images_give_alone(light: NLSN) -> None:
    images = torch.rand(3, 3, 19, 14)
    alone = torch.cat([light(image[None]) for image in images])
    torch.testing.assert_close(light(images), alone, atol=1e-5, rtol=0)


def test_two_calls_give_the_same_bits_and_another_seed_does_not(light: NLSN) -> None:
    image = torch.rand(1, 3, 40, 40)
    first = light(image)
    assert torch.equal(first, light(image))
    light.reseed(1)
    assert not torch.equal(first, light(image))
    light.reseed(0)
    assert torch.equal(first, light(image))


def test_few_pixels_attend_to_all() -> None:
    torch.manual_seed(1)
    attention = SparseAttention(8, chunk_size=144, res_scale=1.0).double()
    x = torch.randn(1, 8, 5, 6, dtype=torch.float64)
    match = attention.match(x).flatten(2)[0].T
    value = attention.value(x).flatten(2)[0].T
    dense = torch.softmax(match @ torch.nn.functional.normalize(match, dim=-1).T, dim=-1) @ value
    torch.testing.assert_close(attention(x), x + dense.T.view(1, 8, 5, 6))


def test_block_size_does_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(2)
    attention = SparseAttention(8, chunk_size=12).double()
    x = torch.randn(2, 8, 17, 23, dtype=torch.float64)
    whole = attention(x)
    monkeypatch.setattr("restorecli.networks.nlsn.BLOCK_SCORES", 1)
    torch.testing.assert_close(attention(x), whole)


def test_huge_match_embeddings_stay_finite(light: NLSN) -> None:
    attention = SparseAttention(8, chunk_size=12)
    assert attention(1e4 * torch.randn(1, 8, 20, 20)).isfinite().all()


@pytest.mark.parametrize(("pixels", "buckets"), [(143, 0), (144, 2), (288, 2), (432, 4), (10**6, 128)])
def test_buckets_are_even_and_at_most_128(pixels: int, buckets: int) -> None:
    assert bucket_count(pixels, 144) == buckets


def test_bfloat16_stays_close_to_float32(parity: Callable[[str], Parity]) -> None:
    reference = parity(SMALL)
    network = build(reference)
    image = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(3))
    exact = network(image)
    with torch.autocast("cpu", torch.bfloat16):
        half = network(image)
    assert decibels(half, exact, 1.0) > 40
    assert decibels(network.bfloat16()(image.bfloat16()).float(), exact, 1.0) > 40
