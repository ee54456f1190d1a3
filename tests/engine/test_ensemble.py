import numpy as np
import torch
from torch import nn

from restorecli.engine.ensemble import self_ensemble, transform, undo
from restorecli.engine.prepare import prepare
from restorecli.engine.run import run
from restorecli.engine.settings import TRANSFORMS, RunSettings
from tests.engine.samples import Convs


def test_each_transform_is_undone():
    x = torch.rand(2, 3, 5, 7)
    for name in TRANSFORMS:
        assert torch.equal(undo(transform(x, name), name), x)


def test_transforms_are_the_eight_symmetries_numpy_knows():
    x = np.random.default_rng(0).random((4, 4))
    expected = {
        "identity": x,
        "flip-x": np.fliplr(x),
        "flip-y": np.flipud(x),
        "rotate-180": np.rot90(x, 2),
        "transpose": x.T,
        "rotate-90": np.rot90(x),
        "rotate-270": np.rot90(x, 3),
        "anti-transpose": np.rot90(x, 2).T,
    }
    assert set(expected) == set(TRANSFORMS)
    for name, array in expected.items():
        np.testing.assert_array_equal(transform(torch.from_numpy(x), name).numpy(), array)


def test_mean_equals_one_made_with_numpy():
    conv = nn.Conv2d(1, 1, 3, padding=1).requires_grad_(False)
    x = torch.rand(1, 1, 6, 9)
    results = []
    for flip in (False, True):
        for turns in range(4):
            turned = np.rot90(np.fliplr(x[0, 0].numpy()) if flip else x[0, 0].numpy(), turns)
            result = conv(torch.from_numpy(turned.copy())[None, None])[0, 0].numpy()
            back = np.rot90(result, -turns)
            results.append(np.fliplr(back) if flip else back)
    ours = self_ensemble(conv, x, TRANSFORMS)[0, 0].numpy()
    np.testing.assert_allclose(ours, np.mean(results, axis=0), atol=1e-6)


def test_a_symmetric_input_gives_a_symmetric_output():
    network = Convs().requires_grad_(False)
    quarter = torch.rand(1, 3, 5, 5)
    half = torch.cat([quarter, quarter.flip(-1)], -1)
    x = torch.cat([half, half.flip(-2)], -2)
    x = (x + x.transpose(-2, -1)) / 2
    y = self_ensemble(network, x, TRANSFORMS)
    for name in TRANSFORMS:
        assert (transform(y, name) - y).abs().max() < 1e-6
    assert (network(x).flip(-1) - network(x)).abs().max() > 1e-4


def test_run_averages_the_transforms_it_is_allowed():
    network, x = Convs().requires_grad_(False), torch.rand(1, 3, 12, 10)
    allowed = ("identity", "transpose")
    settings = RunSettings(tile=0, precision="fp32", device="cpu", self_ensemble=True, transforms=allowed)
    expected = (network(x) + network(x.transpose(-2, -1)).transpose(-2, -1)) / 2
    assert (run(prepare(network, settings), x).output - expected).abs().max() < 1e-6
