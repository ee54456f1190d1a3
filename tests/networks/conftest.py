"""Fixtures that the tests of all networks share."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch

from tests.networks.seeded import Parity, find_fixture, load_fixture


@pytest.fixture
def parity() -> Callable[[str], Parity]:
    """Load a reference by its name; the test is skipped where this machine does not have it."""

    def load(name: str) -> Parity:
        path = find_fixture(name)
        if path is None:
            pytest.skip(f"the full-size reference {name} is not beside the checkout")
        return load_fixture(path)

    return load


@pytest.fixture(autouse=True)
def without_gradients() -> Iterator[None]:
    """Run every test of this folder as the tool runs networks: no gradients are recorded."""
    with torch.no_grad():
        yield
