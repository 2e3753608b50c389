"""Refusals by a real server: each names what was wrong, and changes nothing."""

from __future__ import annotations

from typing import Any

import pytest
from real_runs import SAMPLES, make_run

import subset


@pytest.mark.parametrize(
    ("kind", "field", "act"),
    [
        (subset.NotFound, None, lambda c, r: c.describe_dataset("nobody")),
        (subset.NotFound, None, lambda c, r: c.describe_sampler("nobody/s")),
        (subset.NotFound, None, lambda c, r: c.describe_run("nobody")),
        (subset.NotFound, None, lambda c, r: c.run("x", sampler="nobody/s", global_batch_size=1)),
        (subset.NotFound, None, lambda c, r: c.ensure_sampler("nobody/s", preset="uniform")),
        (
            subset.InvalidArgument,
            "dataset",
            lambda c, r: c.ensure_dataset("No Such", num_samples=1),
        ),
        (subset.InvalidArgument, "dataset", lambda c, r: c.ensure_dataset("../x", num_samples=1)),
        (
            subset.InvalidArgument,
            "num_samples",
            lambda c, r: c.ensure_dataset("zero", num_samples=0),
        ),
        (
            subset.InvalidArgument,
            "preset",
            lambda c, r: c.ensure_sampler(f"{r.name}/t", preset="infobetch"),
        ),
        (
            subset.InvalidArgument,
            "preset",
            lambda c, r: c.ensure_sampler(f"{r.name}/t", preset="uniform", fracton=0.1),
        ),
        (
            subset.InvalidArgument,
            "preset",
            lambda c, r: c.ensure_sampler(f"{r.name}/t", preset="uniform", fraction=1.5),
        ),
        (
            subset.InvalidArgument,
            "preset",
            lambda c, r: c.ensure_sampler(f"{r.name}/t", preset="infobatch"),
        ),
        (
            subset.NotFound,
            None,
            lambda c, r: c.ensure_sampler(f"{r.name}/t", preset="class_balanced", column="lable"),
        ),
        (subset.InvalidArgument, "batch_size", lambda c, r: r.batch(0, 0, 0)),
        (subset.InvalidArgument, "batch_size", lambda c, r: r.batch(0, 0, 65_537)),
        (subset.InvalidArgument, "rank", lambda c, r: r.share(0, 0, rank=2, world_size=2)),
        (subset.InvalidArgument, "world_size", lambda c, r: r.share(0, 0, world_size=0)),
        (subset.OutOfRange, None, lambda c, r: r.share(0, 10_000)),
        (subset.OutOfRange, None, lambda c, r: r.batch(0, SAMPLES, 1)),
    ],
)
def test_refusals(client: subset.Client, name: str, kind: Any, field: Any, act: Any) -> None:
    run = make_run(client, name, preset="uniform")
    run.open_epoch(0)
    before = (client.list_datasets(), client.list_samplers(name), client.describe_run(name))
    with pytest.raises(kind) as caught:
        act(client, run)
    assert field is None or field in (caught.value.field or ""), caught.value.field
    assert str(caught.value)
    assert (client.list_datasets(), client.list_samplers(name), client.describe_run(name)) == before


def test_a_later_epoch_closes_the_door(client: subset.Client, name: str) -> None:
    run = make_run(client, name, preset="uniform")
    run.open_epoch(5)
    with pytest.raises(subset.FailedPrecondition) as caught:
        run.open_epoch(3)
    assert caught.value.reason == "EPOCH_GONE"


@pytest.mark.parametrize(
    "act",
    [
        lambda c: c.ensure_dataset("x"),
        lambda c: c.ensure_dataset("x", a=[1], b=[1, 2]),
        lambda c: c.ensure_dataset("x", num_samples=3, a=[1]),
        lambda c: c.ensure_sampler("x/s"),
        lambda c: c.ensure_sampler("x/s", preset="uniform", spec={}),
        lambda c: c.ensure_sampler("x/s", spec={"drawe": {}}),
        lambda c: c.ensure_sampler("x/s", spec={}, alpha=1),
        lambda c: c.run("x", sampler="x/s", seed=-1),
        lambda c: c.run("x", sampler="x/s", global_batch_size=0),
        lambda c: c.run("x", sampler="x/s", global_batch_size=65_537),
    ],
)
def test_misuse_needs_no_server(client: subset.Client, act: Any) -> None:
    with pytest.raises(ValueError):
        act(client)


@pytest.mark.parametrize(
    ("message", "act"),
    [
        (r"epoch -1 is outside \[0, 2\^64\)", lambda r: r.open_epoch(-1)),
        (r"epoch -1 is outside", lambda r: r.share(-1, 0)),
        (r"step -2 is outside", lambda r: r.share(0, -2)),
        (r"rank -1 is outside \[0, 2\^32\)", lambda r: r.share(0, 0, rank=-1)),
        (r"position -3 is outside", lambda r: r.batch(0, -3, 1)),
        (r"size -4 is outside", lambda r: r.batch(0, 0, -4)),
    ],
)
def test_numbers_that_no_request_can_hold_are_named(
    client: subset.Client, name: str, message: str, act: Any
) -> None:
    run = make_run(client, name, preset="uniform")
    with pytest.raises(ValueError, match=message):
        act(run)
