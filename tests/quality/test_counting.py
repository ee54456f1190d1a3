"""Multiply-adds and bytes against counts made by hand."""

from __future__ import annotations

import torch
from torch import nn

from restorecli.models.cost import skeleton
from restorecli.models.registry import load_registry
from restorecli.networks.nlsn import NLSN
from restorecli.quality.counting import count
from restorecli.quality.subjects import Subject, find_subjects


def test_multiply_adds_of_nlsn_are_those_counted_by_hand() -> None:
    features, chunk, side = 8, 16, 16
    network = NLSN(features=features, blocks=2, scale=1, chunk_size=chunk, hashes=1, blocks_per_attention=2)
    pixels, match = side * side, features // 4
    convolution = pixels * 9 * features * features
    attention = (
        pixels * 9 * features * match  # the 3×3 match embedding
        + pixels * features * features  # the 1×1 value embedding
        + pixels * match * (pixels // chunk) // 2  # hashing: a projection per two buckets
        + pixels * 3 * chunk * (match + features)  # scores with three chunks, and their weighted sum
    )
    head_and_tail = 2 * pixels * 9 * 3 * features
    blocks_and_last = (2 * 2 + 1) * convolution
    work = count(network.eval(), torch.rand(1, 3, side, side))
    assert work.macs == head_and_tail + blocks_and_last + 2 * attention


def test_traffic_is_what_operators_read_and_write() -> None:
    layer = nn.Conv2d(3, 5, 3, padding=1, bias=False)
    x = torch.rand(1, 3, 8, 8)
    weights, before, after = 3 * 5 * 9, 3 * 64, 5 * 64
    assert count(layer, x).traffic == 4 * (weights + before + after)
    assert count(lambda x: layer(x).flatten(1), x).traffic == count(layer, x).traffic  # a view moves nothing


def test_a_batch_is_as_many_times_the_work() -> None:
    layer = nn.Conv2d(3, 4, 3, padding=1)
    one, three = (count(layer, torch.rand(batch, 3, 8, 8)) for batch in (1, 3))
    assert three.macs == 3 * one.macs == 3 * 64 * 9 * 3 * 4


def test_seeded_networks_are_those_of_the_paper() -> None:
    (subject,) = find_subjects(["upscale"], ["grl"], variant="tiny", scales=[2])
    assert isinstance(subject, Subject)
    assert subject.weights == "seeded"
    entry = load_registry().find(subject.name)
    network = subject.build()
    assert sum(parameter.numel() for parameter in network.parameters()) == entry.parameters
    again = subject.build()
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), again.parameters(), strict=True))
    assert type(skeleton(entry)) is type(network)
