"""A draw: views without a copy, and the mean that is right at any world size."""

from __future__ import annotations

import pickle
from typing import Any, List

import numpy as np
import pytest
import torch

import subset
from subset.v1 import training_pb2


def make(
    indices: List[int],
    *,
    rank: int = 0,
    world_size: int = 1,
    dtype: str = "<u4",
    **fields: Any,
) -> subset.Draw:
    values = np.array(indices, dtype)
    message = training_pb2.Batch(
        epoch=3,
        position=40,
        step=4,
        index_width=values.itemsize,
        indices=values.tobytes(),
        **fields,
    )
    return subset.Draw.from_reply(
        message.SerializeToString(), run_uid=2**63 + 1, rank=rank, world_size=world_size
    )


def array(values: List[float], dtype: str) -> bytes:
    return np.array(values, dtype).tobytes()


def test_arrays_are_views_of_the_received_bytes() -> None:
    draw = make(
        [5, 6, 2**32 - 1], weights=array([1, 2, 3], "<f4"), probabilities=array([0.1] * 3, "<f8")
    )
    assert draw.indices.dtype == np.uint32 and draw.indices.tolist() == [5, 6, 2**32 - 1]
    assert draw.indices64.dtype == np.int64 and draw.indices64.tolist() == [5, 6, 2**32 - 1]
    assert draw.weights.tolist() == [1, 2, 3]
    assert draw.probabilities is not None and draw.probabilities.tolist() == [0.1] * 3
    for view in (draw.indices, draw.weights, draw.probabilities):
        assert not view.flags.owndata and not view.flags.writeable
    assert (len(draw), draw.run_uid, draw.epoch, draw.position, draw.step) == (
        3,
        2**63 + 1,
        3,
        40,
        4,
    )


def test_wide_indices() -> None:
    draw = make([2**40], dtype="<u8", weight=1.0)
    assert draw.indices.dtype == np.uint64 and draw.indices.tolist() == [2**40]


def test_what_is_sent_once_holds_for_every_sample() -> None:
    draw = make([1, 2, 3], weight=2.5, probability=0.25)
    assert draw.weights.tolist() == [2.5] * 3
    assert draw.probabilities is not None and draw.probabilities.tolist() == [0.25] * 3
    assert make([1, 2], weight=1.0).probabilities is None


def test_padding_weighs_nothing() -> None:
    assert make([1, 2], weight=2.0, padding=1).weights.tolist() == [2.0, 0.0]


def test_a_draw_survives_pickling_and_is_equal() -> None:
    draw = make([1, 2, 3], weight=1.0, rank=1, world_size=4)
    copy = pickle.loads(pickle.dumps(draw))
    assert copy == draw and hash(copy) == hash(draw)
    assert (copy.rank, copy.world_size, copy.indices.tolist()) == (1, 4, [1, 2, 3])
    assert "rank=1/4" in repr(copy)


def test_lengths_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match="2 weights for 3 indices"):
        make([1, 2, 3], weights=array([1, 2], "<f4")).weights


@pytest.mark.parametrize("constant", [True, False])
@pytest.mark.parametrize("world_size", [1, 2, 3, 5, 8])
def test_ranks_average_to_the_weighted_mean_of_the_global_batch(
    world_size: int, constant: bool
) -> None:
    rng = np.random.default_rng(world_size)
    total = 7  # uneven, and with 8 ranks one share is empty
    loss = rng.random(total)
    weights = np.full(total, 1.5) if constant else rng.random(total).astype(np.float32)
    means = []
    for rank in range(world_size):
        first, last = rank * total // world_size, (rank + 1) * total // world_size
        padding = 1 if first == last else 0
        share = list(range(first, last)) + [0] * padding
        fields = (
            {"weight": 1.5}
            if constant
            else {"weights": array([*weights[first:last], *[0.0] * padding], "<f4")}
        )
        draw = make(
            share, rank=rank, world_size=world_size, global_samples=total, padding=padding, **fields
        )
        means.append(draw.mean(torch.tensor(loss[share])))
    assert torch.stack(means).mean().item() == pytest.approx((weights * loss).mean(), rel=1e-6)


def test_accumulated_batches_average_over_all_their_samples() -> None:
    sizes = (4, 3)
    loss = [torch.rand(n) for n in sizes]
    total = sum(
        make(list(range(n)), weight=1.0, global_samples=n).mean(v, over=sum(sizes))
        for n, v in zip(sizes, loss)
    )
    assert total.item() == pytest.approx(torch.cat(loss).mean().item(), rel=1e-6)


def test_mean_takes_numpy_and_half_precision_and_keeps_the_gradient() -> None:
    draw = make([1, 2], weights=array([1, 3], "<f4"), global_samples=2)
    assert draw.mean(np.array([1.0, 2.0])) == pytest.approx(3.5)
    loss = torch.tensor([1.0, 2.0], dtype=torch.bfloat16, requires_grad=True)
    mean = draw.mean(loss)
    mean.backward()
    assert mean.dtype == torch.float32 and mean.item() == 3.5
    assert loss.grad is not None and loss.grad.tolist() == [0.5, 1.5]


def test_only_padding_still_reaches_the_gradient() -> None:
    draw = make([9], weight=0.0, padding=1, rank=1, world_size=2, global_samples=1)
    loss = torch.tensor([3.0], requires_grad=True)
    draw.mean(loss).backward()
    assert loss.grad is not None and loss.grad.tolist() == [0.0]


@pytest.mark.parametrize("shape", [(), (3,), (2, 2)])
def test_a_reduced_loss_is_misuse(shape: Any) -> None:
    with pytest.raises(ValueError, match="per-sample losses"):
        make([1, 2], weight=1.0).mean(torch.ones(shape))
