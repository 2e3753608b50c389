"""What each preset promises, on a real server."""

from __future__ import annotations

import numpy as np
import pytest
from real_runs import CLASSES, LABELS, SAMPLES, joined, losses, make_run, train_epoch

import subset


def test_uniform_covers_every_sample_once_an_epoch_in_another_order(
    client: subset.Client, name: str
) -> None:
    run = make_run(client, name, preset="uniform")
    epochs = [train_epoch(run, epoch) for epoch in range(3)]
    for draws in epochs:
        assert sorted(joined(draws, "indices").tolist()) == list(range(SAMPLES))
        assert set(joined(draws, "weights").tolist()) == {1.0}
        assert set(joined(draws, "probabilities").tolist()) == {1.0}
        assert {d.probability_kind for d in draws} == {"inclusion_epoch"}
        assert {d.unbiased_over for d in draws} == {"batch"}
    orders = {tuple(joined(draws, "indices").tolist()) for draws in epochs}
    assert len(orders) == 3
    assert run.open_epoch(2).acknowledged_positions == SAMPLES


def test_a_uniform_fraction_is_that_many_distinct_samples(client: subset.Client, name: str) -> None:
    run = make_run(client, name, preset="uniform", fraction=0.1)
    draws = train_epoch(run, 0)
    indices = joined(draws, "indices").tolist()
    assert len(indices) == len(set(indices)) == 100
    assert set(joined(draws, "probabilities").tolist()) == {0.1}
    assert set(joined(draws, "weights").tolist()) == {1.0}


def test_class_balanced_gives_every_class_the_same_slots(client: subset.Client, name: str) -> None:
    run = make_run(client, name, preset="class_balanced")
    draws = train_epoch(run, 0)
    indices = joined(draws, "indices")
    slots = np.bincount(LABELS[indices], minlength=CLASSES)
    assert slots.tolist() == [SAMPLES // CLASSES] * CLASSES
    weights = joined(draws, "weights")
    assert np.bincount(LABELS[indices], weights, CLASSES) == pytest.approx(
        [SAMPLES / CLASSES] * CLASSES
    )


def test_importance_weights_undo_the_probabilities(client: subset.Client, name: str) -> None:
    run = make_run(client, name, preset="importance", uniform_floor=0.1)
    train_epoch(run, 0)
    draws = train_epoch(run, 1)
    assert {d.probability_kind for d in draws} == {"per_draw"}
    probabilities, weights = joined(draws, "probabilities"), joined(draws, "weights")
    assert weights * probabilities * SAMPLES == pytest.approx(np.ones(len(weights)), rel=1e-5)
    assert weights.max() <= 10.0 * (1 + 1e-6)
    # The greater the loss that was reported, the greater the probability.
    scored = np.isin(joined(draws, "indices"), joined(list(run.batches(0)), "indices"))
    indices = joined(draws, "indices")[scored]
    order = np.argsort(losses(indices), kind="stable")
    assert np.all(np.diff(probabilities[scored][order]) >= -1e-12)
    assert run.info().scored_samples > 500


def test_infobatch_prunes_below_the_mean_and_keeps_the_sum_of_weights(
    client: subset.Client, name: str
) -> None:
    run = make_run(client, name, preset="infobatch", total_epochs=4, delta=0.75)
    first = train_epoch(run, 0)
    assert len(joined(first, "indices")) == SAMPLES
    loss = losses(np.arange(SAMPLES))
    low = np.flatnonzero(loss < loss.astype(np.float64).mean())
    for epoch in (1, 2):
        draws = train_epoch(run, epoch)
        indices, weights = joined(draws, "indices"), joined(draws, "weights")
        assert len(set(indices.tolist())) == len(indices) == SAMPLES - len(low) + len(low) // 2
        kept = np.isin(indices, low)
        assert kept.sum() == len(low) // 2
        assert weights[kept] == pytest.approx(np.full(kept.sum(), len(low) / kept.sum()), rel=1e-6)
        assert set(weights[~kept].tolist()) == {1.0}
        assert weights.sum() == pytest.approx(SAMPLES, rel=1e-5)
        assert run.open_epoch(epoch).opened == "feedback_complete"
    last = train_epoch(run, 3)  # annealing: everything, weight 1
    assert sorted(joined(last, "indices").tolist()) == list(range(SAMPLES))
    assert set(joined(last, "weights").tolist()) == {1.0}


def test_a_live_sampler_follows_the_newest_losses(client: subset.Client, name: str) -> None:
    run = make_run(client, name, preset="importance", live=1)
    draws = []
    for draw in run.batches(0, in_flight=1):
        run.report(draw, loss=losses(draw.indices))
        run.flush(timeout=60)
        draws.append(draw)
    versions = [d.score_version.records for d in draws]
    assert versions == sorted(versions) and versions[-1] > versions[0]
    assert run.share(0, 5) == draws[5]  # drawn once, repeated ever after
