"""Samples of leased blocks that cannot be used: delivered again, parked, released."""

from __future__ import annotations

import numpy as np
import pytest
from leasing import acknowledgers, make_run

import subset

SAMPLES, SIZE = 40, 10


def test_a_failed_sample_alone_is_delivered_again(client: subset.Client, name: str) -> None:
    run = make_run(client, name)
    batches = run.leased_batches(0)
    first = batches.take()
    assert first is not None
    outcome = run.fail(first, "corrupt file", samples=[3, 7])
    assert (outcome.failed_positions, outcome.parked_positions) == (2, 0)
    loss = np.ones(SIZE)
    loss[[3, 7]] = np.nan  # whatever stands there is not looked at
    run.report(first, loss=loss)
    rest = []
    for draw in batches:
        run.report(draw, loss=np.ones(len(draw)))
        rest.append((draw.position, len(draw), draw.attempt))
    assert sorted(rest)[:2] == [(3, 1, 2), (7, 1, 2)]
    assert "" not in acknowledgers(run)
    assert run.stats()["unusable_values"] == 0
    assert run.info().scored_samples == SAMPLES


def fail_for_good(run: subset.Run, batches: subset.LeasedBatches) -> int:
    """Reports all but the block at position 0, which fails whenever it comes; how often it did."""
    times = 0
    for draw in batches:
        if draw.position == 0:
            times += 1
            assert draw.attempt == times
            run.fail(draw, f"corrupt file, {times}")
        else:
            run.report(draw)
    return times


def test_what_fails_five_times_is_parked_and_the_epoch_says_so(
    client: subset.Client, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    run = make_run(client, name)
    batches = run.leased_batches(0, worker="w")
    assert fail_for_good(run, batches) == 5
    assert batches.complete
    assert "complete but for 10 samples" in caplog.text and "corrupt file, 5" in caplog.text
    assert run.leases(0).parked == (subset.ParkedBlock(0, SIZE, 5, "corrupt file, 5", "w"),)
    assert run.open_epoch(0).parked_positions == SIZE
    caplog.clear()
    with pytest.raises(subset.SamplesParked, match="corrupt file, 5"):
        list(run.leased_batches(0, on_parked="raise"))
    assert list(run.leased_batches(0, on_parked="ignore")) == [] and not caplog.text
    with pytest.raises(subset.NotFound) as caught:
        run.release_parked(0, 1)
    assert caught.value.reason == "NOT_PARKED"
    assert run.release_parked(0, 0) == SIZE
    again = run.leased_batches(0, worker="w", on_parked="raise")
    for draw in again:
        assert draw.position == 0 and draw.attempt > 1
        run.report(draw)
    assert again.complete and acknowledgers(run) == ["w"] * SAMPLES
    assert run.release_parked(0) == 0


def test_misuse_of_failed_samples(client: subset.Client, name: str) -> None:
    run = make_run(client, name)
    draw = run.leased_batches(0).take()
    assert draw is not None
    for arguments, message in (
        (("", None), "reason has 0 bytes"),
        (("x" * 1_025, None), "reason has 1025 bytes"),
        (("x", [SIZE]), r"sample 10 is outside the draw's \[0, 10\)"),
        (("x", [-1]), "sample -1 is outside"),
        (("x", []), "samples is empty"),
    ):
        with pytest.raises(ValueError, match=message):
            run.fail(draw, arguments[0], samples=arguments[1])
    with pytest.raises(ValueError, match="no lease"):
        run.fail(run.share(0, 0), "x")
    with pytest.raises(ValueError, match="the draw is of run"):
        make_run(client, f"{name}-2").acknowledge(draw)
