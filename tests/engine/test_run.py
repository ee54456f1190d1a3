import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from restorecli.engine.cutting import reflected
from restorecli.engine.order import Cancelled
from restorecli.engine.prepare import Prepared, prepare
from restorecli.engine.run import RunResult, run
from restorecli.engine.settings import RunSettings
from restorecli.errors import NonFiniteError, OutOfMemoryError, WeightsError
from tests.engine.samples import Convs, Greedy, Identity, Overflowing


def ready(network: torch.nn.Module, **options: object) -> Prepared:
    given_ = {"precision": "fp32", "device": "cpu", **options}
    return prepare(network, RunSettings(**given_))  # type: ignore[arg-type]


def restore(network: torch.nn.Module, image: torch.Tensor, **options: object) -> RunResult:
    return run(ready(network, **options), image)


def enlarged(image: torch.Tensor, scale: int) -> torch.Tensor:
    return image.repeat_interleave(scale, -1).repeat_interleave(scale, -2)


@given(
    size=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    tile=st.sampled_from([0, 1, 7, 16, 33, 64]),
    overlap=st.integers(0, 40),
    multiple=st.sampled_from([1, 3, 8]),
    batch=st.integers(1, 5),
    scale=st.integers(1, 3),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_identity_gives_the_input_back(size, tile, overlap, multiple, batch, scale):
    if tile and size[0] * size[1] / max(1, tile - min(overlap, tile - 1)) ** 2 > 500:
        size = (min(size[0], 20), min(size[1], 20))
    image = torch.rand(1, 3, *size)
    network = Identity(scale, side_multiple=multiple, value_range=255.0)
    result = restore(network, image, tile=tile, overlap=overlap, batch=batch)
    assert (result.output - enlarged(image, scale)).abs().max() <= 1e-6


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("tile", [24, 31, 40])
def test_a_tiled_convolutional_network_equals_the_whole(tile: int, batch: int):
    network, image = Convs(depth=3), torch.rand(1, 3, 70, 53)
    whole = restore(network, image, tile=0)
    tiled = restore(network, image, tile=tile, overlap=12, batch=batch)  # (12 − 6) / 2 = 3 pixels of context
    assert tiled.tiles >= 4
    assert (tiled.output - whole.output).abs().max() <= 1e-5
    assert (restore(network, image, tile=tile, overlap=2).output - whole.output).abs().max() > 1e-4


@pytest.mark.parametrize("size", [(1, 1), (2, 9), (40, 31)])
@pytest.mark.parametrize("tile", [0, 16])
def test_a_border_is_the_reflected_picture_and_is_cut_off_again(size: tuple[int, int], tile: int):
    network, image = Convs(depth=3), torch.rand(1, 3, *size)
    rows, columns = (reflected(-6, side + 12, side) for side in size)
    around = restore(network, image[..., rows, :][..., columns], tile=tile).output
    network.border = 6
    result = restore(network, image, tile=tile)
    assert torch.equal(result.output, around[..., 12:-12, 12:-12])
    assert result.tiles == ready(network, tile=tile).tile_count(*size)


def test_with_a_border_corners_of_a_flat_picture_are_as_its_middle():
    network, flat = Convs(depth=3), torch.full((1, 3, 24, 24), 0.7)
    assert restore(network, flat, tile=0).output.std(dim=(2, 3)).max() > 1e-3
    network.border = 3
    output = restore(network, flat, tile=0).output
    assert (output[..., ::2, ::2] - output[..., :1, :1]).abs().max() < 1e-6


def test_whole_image_equals_the_bare_network():
    network, image = Convs(), torch.rand(1, 3, 17, 29)
    with torch.no_grad():
        assert torch.allclose(restore(network, image, tile=0).output, network(image), atol=1e-6)


def test_output_may_be_changed_in_place():
    result = restore(Identity(), torch.rand(1, 3, 8, 8) * 2)
    result.output.clamp_(0, 1)
    assert result.output.max() <= 1


def test_the_network_sees_its_own_value_range():
    class Peak(Identity):
        def forward(self, x):
            assert x.max() > 1 or x.shape[-1] != 9
            return x

    image = torch.rand(1, 3, 9, 9)
    assert torch.allclose(restore(Peak(value_range=255.0), image).output, image, atol=1e-6)


def test_the_given_network_is_not_changed():
    network = Convs().train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    restore(network, torch.rand(1, 3, 20, 20), precision="bf16")
    assert network.training and not network.layers[0].weight.is_inference()
    for name, value in network.state_dict().items():
        assert value.dtype == torch.float32 and torch.equal(value, before[name])


def test_the_same_input_gives_the_same_bytes_again_and_on_two_devices():
    image = torch.rand(1, 3, 64, 80)
    network = Convs()
    for precision in ("fp32", "bf16"):
        results = [
            restore(network, image, tile=24, overlap=8, batch=2, device=device, precision=precision).output
            for device in ("cpu", "cpu", "cpu,cpu", "cpu,cpu,cpu")
        ]
        assert all(torch.equal(results[0], other) for other in results[1:])


def test_two_images_at_once_do_not_disturb_each_other():
    prepared = ready(Convs(), tile=24, overlap=8, device="cpu,cpu")
    images = [torch.rand(1, 3, 40 + 7 * index, 50) for index in range(4)]
    alone = [run(prepared, image).output for image in images]
    with ThreadPoolExecutor(4) as pool:
        together = [result.output for result in pool.map(lambda image: run(prepared, image), images)]
    assert all(torch.equal(a, b) for a, b in zip(alone, together, strict=True))


@pytest.mark.parametrize("device", ["cpu", "cpu,cpu"])
def test_progress_counts_every_tile_once(device: str):
    steps: list[tuple[int, int]] = []
    prepared = ready(Identity(), tile=16, overlap=4, batch=2, device=device)
    result = run(prepared, torch.rand(1, 3, 40, 40), progress=lambda done, total: steps.append((done, total)))
    assert steps == [(count, result.tiles) for count in range(1, result.tiles + 1)]
    assert result.tiles == prepared.tile_count(40, 40)


@pytest.mark.parametrize("device", ["cpu", "cpu,cpu"])
def test_a_cancelled_run_stops_between_tiles_and_leaves_no_thread(device: str):
    cancelled, done = threading.Event(), []

    def progress(count: int, total: int) -> None:
        done.append(count)
        cancelled.set()

    with pytest.raises(Cancelled):
        run(
            ready(Identity(), tile=8, overlap=0, device=device),
            torch.rand(1, 3, 64, 64),
            progress=progress,
            cancelled=cancelled,
        )
    assert len(done) < 12
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("restore-")]


def test_a_failing_network_fails_the_run_on_every_device():
    class Broken(Identity):
        def forward(self, x):
            if x.shape[-1] == 12:
                raise RuntimeError("broken")
            return x

    with pytest.raises(RuntimeError, match="broken"):
        restore(Broken(), torch.rand(1, 3, 24, 24), tile=12, overlap=0, device="cpu,cpu")


def test_out_of_memory_halves_the_tiles_and_says_so():
    network, image = Greedy(most=64 * 64), torch.rand(1, 3, 200, 190)
    prepared = prepare_without_probe(network, tile=128, batch=2)
    result = run(prepared, image)
    assert (result.output - image).abs().max() <= 1e-6
    assert any("memory" in warning for warning in result.warnings)
    again = run(prepared, image)
    assert max(again.tile) <= 64 and torch.allclose(again.output, image, atol=1e-6)


def test_out_of_memory_redoes_only_what_is_missing():
    class Late(Greedy):
        def forward(self, x):
            if len(self.sizes) == 3:
                self.most = 1000
            return super().forward(x)

    prepared = prepare_without_probe(Late(most=10**9), tile=64, batch=1)
    image = torch.rand(1, 3, 180, 64)
    result = run(prepared, image)
    sizes = prepared.lanes[0].replica("fp32").sizes  # type: ignore[attr-defined]
    assert sizes[:3] == [(1, 3, 51, 64)] * 3
    assert len(sizes) > 4 and all(shape[-2] * shape[-1] <= 1000 for shape in sizes[3:])
    assert (result.output - image).abs().max() <= 1e-6


def test_out_of_memory_for_the_smallest_tile_is_an_error():
    with pytest.raises(OutOfMemoryError, match="does not fit"):
        run(prepare_without_probe(Greedy(most=10), tile=128, batch=1), torch.rand(1, 3, 100, 100))


def test_the_whole_image_is_cut_where_memory_is_short_on_a_cpu(monkeypatch: pytest.MonkeyPatch):
    prepared = ready(Convs(), tile=0, overlap=12)
    image = torch.rand(1, 3, 150, 100)
    whole = run(prepared, image).output
    assert prepared.curve is not None
    room = int(prepared.curve.peak(60 * 60) / 0.8)
    monkeypatch.setattr("restorecli.engine.memory.available_bytes", lambda: room)
    monkeypatch.setattr("restorecli.engine.blend.available_bytes", lambda: 10**12)
    result = run(prepared, image)
    assert result.tiles > 1 and any("memory" in warning for warning in result.warnings)
    assert (result.output - whole).abs().max() <= 1e-5


def prepare_without_probe(network: torch.nn.Module, **options: object) -> Prepared:
    """As on a GPU, where tile and batch are given: nothing is measured beforehand."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("restorecli.engine.prepare.measure_curve", lambda *_: None)
        return ready(network, **options)


class InParts:
    """A picture that is not held."""

    def __init__(self, image: torch.Tensor) -> None:
        self.image, self.shape = image, tuple(image.shape)

    def part(self, top: int, bottom: int, left: int, right: int) -> torch.Tensor:
        return self.image[..., top:bottom, left:right]


@pytest.mark.parametrize("tile", [0, 512])
def test_low_tiles_of_a_picture_that_is_not_held_are_no_shortage_of_memory(tile: int):
    image, taken = torch.rand(1, 3, 600, 40), []
    prepared = ready(Identity(), tile=tile)
    result = run(prepared, InParts(image), deliver=lambda top, rows: taken.append(rows.clone()))
    assert result.tiles > prepared.planned_grid(600, 40).count
    assert result.warnings == ()
    assert (torch.cat(taken, dim=1) - image[0]).abs().max() <= 1e-6


def test_a_tile_that_overflows_is_redone_in_fp32_and_the_next_photo_starts_as_this_one():
    network = Overflowing((torch.bfloat16,))
    image = torch.full((1, 3, 16, 32), 0.5)
    image[..., 20] = 1.0
    prepared = ready(network, precision="bf16", tile=16, overlap=0)
    result = run(prepared, image)
    assert torch.equal(result.output, image)
    assert result.precision == "bf16" and len(result.warnings) == 1 and "bf16" in result.warnings[0]
    later = run(prepared, image * 0.5)
    assert prepared.precision == later.precision == "bf16" and later.warnings == ()


def test_a_tile_that_overflows_in_fp16_is_redone_in_fp32_not_in_bf16(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("restorecli.engine.precision._cpu_computes", lambda precision: True)
    network = Overflowing((torch.float16,))
    prepared = ready(network, precision="fp16", tile=0)
    assert torch.equal(run(prepared, torch.ones(1, 3, 8, 8)).output, torch.ones(1, 3, 8, 8))
    assert prepared.precision == "fp16"
    assert prepared.lanes[0].replica("fp32").calls == [torch.float32]  # type: ignore[attr-defined]


def test_nan_in_float32_is_an_error_not_a_picture():
    with pytest.raises(NonFiniteError, match="float32"):
        restore(Overflowing((torch.float32,), above=0.95), torch.ones(1, 3, 8, 8), tile=0)


def test_nan_in_the_picture_is_told_apart():
    image = torch.ones(1, 3, 8, 8)
    image[0, 0, 3, 3] = torch.nan
    with pytest.raises(NonFiniteError, match="picture"):
        restore(Identity(), image)


def test_a_bayer_phase_is_kept_by_every_tile():
    class Phase(Identity):
        def forward(self, x):
            if x.shape[-1] < 30:
                assert bool((x[:, :, ::2, ::2] > 0).all()) and not x[:, :, 1::2, :].any()
            return x

    image = torch.zeros(1, 3, 51, 45)
    image[:, :, ::2, ::2] = 0.7
    result = restore(Phase(), image, tile=20, overlap=5, alignment=2)
    assert result.tiles > 4 and torch.allclose(result.output, image, atol=1e-6)


@given(st.integers(0, 50), st.integers(1, 90), st.integers(1, 30))
def test_reflection_keeps_parity_and_stays_inside(start, count, length):
    indices = reflected(start, count, length)
    assert int(indices.min()) >= 0 and int(indices.max()) < length
    inside = [i for i in range(start, start + count) if i < length]
    assert indices[: len(inside)].tolist() == inside
    if length > 1:
        assert ((indices - torch.arange(start, start + count)) % 2 == 0).all()


def test_reflection_is_numpys():
    import numpy as np

    expected = np.pad(np.arange(5), (0, 9), mode="reflect")
    assert reflected(0, 14, 5).tolist() == expected.tolist()


@pytest.mark.parametrize("shape", [(slice(None), slice(None), slice(1, None)), (slice(None), slice(0, 1))])
@pytest.mark.parametrize("self_ensemble", [False, True])
def test_a_network_that_gives_another_size_than_it_says_is_refused(
    shape: tuple[slice, ...], self_ensemble: bool
):
    class Odd(Identity):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x)[shape]

    with pytest.raises(WeightsError, match="where 3×"):
        restore(Odd(), torch.rand(1, 3, 40, 48), tile=32, self_ensemble=self_ensemble)
