"""Pool then select, out-of-bag samples and versions from a stated epoch, against a real server."""

from __future__ import annotations

from typing import Any, Dict

import numpy as np
import pytest
import torch

import subset
from subset.collated import take
from subset.torch import DataLoader, ImportanceSwitch, IndexedDataset, select_batches
from subset.v1 import training_pb2

SAMPLES = 480
POOL = 48
IRREDUCIBLE = (np.arange(SAMPLES) % 7).astype(np.float32)


def scores_of(indices: np.ndarray) -> np.ndarray:
    return ((indices.astype(np.int64) * 37) % 101 + 1).astype(np.float32)


def make_run(client: subset.Client, name: str, **definition: Any) -> subset.Run:
    client.ensure_dataset(name, irreducible_loss=IRREDUCIBLE)
    client.ensure_sampler(f"{name}/s", **definition)
    return client.run(name, sampler=f"{name}/s", seed=5, global_batch_size=POOL)


def test_the_hardest_of_a_pool_are_chosen_and_all_of_it_is_acknowledged(
    client: subset.Client, name: str
) -> None:
    run = make_run(client, name, preset="ohem", keep=0.25)
    for pool in run.batches(0):
        scores = scores_of(pool.indices)
        draw = run.select(pool, scores)
        assert (len(draw), draw.pool_samples, draw.step) == (12, POOL, pool.step)
        np.testing.assert_array_equal(draw.indices, pool.indices[draw.places])
        assert sorted(scores[draw.places]) == sorted(scores)[-12:]
        assert set(draw.weights.tolist()) == {1.0}
        assert (draw.probability_kind, draw.unbiased_over) == ("inclusion_batch", "nothing")
        np.testing.assert_array_equal(draw.take(pool.indices), draw.indices)
        losses = np.arange(12.0)
        assert draw.mean(losses) == pytest.approx(losses.mean())
        assert run.select(pool, torch.tensor(scores)) == draw
        with pytest.raises(ValueError, match="report the pool"):
            run.report(draw, loss=losses)
        run.report(pool, loss=scores)
    run.flush(timeout=60)
    assert run.open_epoch(0).acknowledged_positions == SAMPLES


def test_irreducible_losses_are_subtracted_by_the_server(client: subset.Client, name: str) -> None:
    run = make_run(client, name, preset="rho_loss", keep=1 / 6)
    pool = run.share(0, 3)
    losses = scores_of(pool.indices) / 10
    draw = run.select(pool, losses)
    reducible = losses - IRREDUCIBLE[pool.indices]
    assert sorted(reducible[draw.places]) == pytest.approx(sorted(reducible)[-8:])


def test_weights_make_the_mean_unbiased_over_pools_and_ranks(
    client: subset.Client, name: str
) -> None:
    run = make_run(client, name, preset="katharopoulos_fleuret", floor=0.2)
    f = np.cos(np.arange(SAMPLES)) + 2
    estimates = []
    for epoch in range(40):
        for step in range(run.open_epoch(epoch).num_steps):
            ranks = [run.share(epoch, step, rank=rank, world_size=3) for rank in range(3)]
            chosen = [run.select(pool, scores_of(pool.indices)) for pool in ranks]
            assert [len(draw) for draw in chosen] == [5, 5, 5]  # a third of 16
            assert {draw.unbiased_over for draw in chosen} == {"batch"}
            estimates.append(np.mean([d.mean(f[d.indices]) for d in chosen]))
    deviation = np.std(estimates) / np.sqrt(len(estimates))
    assert abs(np.mean(estimates) - f.mean()) < 5.3 * deviation  # the seed is fixed; 1e-7 else
    plain = np.mean([f[d.indices].mean() for d in chosen])
    assert chosen[0].mean(f[chosen[0].indices]) != pytest.approx(plain)


def test_selective_backprop_compares_with_recent_scores(client: subset.Client, name: str) -> None:
    run = make_run(client, name, preset="selective_backprop", beta=2, least=0.1)
    pool = run.share(0, 0)
    scores = scores_of(pool.indices)
    history = np.arange(1, 101)
    draw = run.select(pool, scores, history=np.random.default_rng(1).permutation(history))
    below = [(history < s).sum() + 0.5 * (history == s).sum() for s in scores[draw.places]]
    expected = np.maximum(0.1, (np.array(below) / 100) ** 2)
    np.testing.assert_allclose(draw.probabilities, expected, rtol=1e-12)
    np.testing.assert_allclose(draw.weights, len(draw) / (POOL * expected), rtol=1e-6)


def test_a_loop_trains_on_what_is_chosen(client: subset.Client, name: str) -> None:
    run = make_run(client, name, preset="selective_backprop", least=0.0)
    data = [(torch.tensor([float(i)]), f"sample {i}") for i in range(SAMPLES)]
    batches = run.batch_sampler()
    loader = DataLoader(IndexedDataset(data), batch_sampler=batches)
    model = torch.nn.Linear(1, 1)
    trained = []
    for (x, names), draw in select_batches(
        loader, run, lambda batch: model(batch[0]).squeeze(1) ** 2, history=100, report="error"
    ):
        assert list(names) == [f"sample {i}" for i in draw.indices]
        assert x.squeeze(1).tolist() == draw.indices.tolist()
        loss = draw.mean(model(x / SAMPLES).squeeze(1) ** 2)
        loss.backward()
        assert torch.isfinite(loss)
        trained.append(len(draw))
    run.flush(timeout=60)
    assert run.open_epoch(0).acknowledged_positions == SAMPLES
    assert 0 < sum(trained) < SAMPLES
    assert model.weight.grad is not None


def variance_ratio(scores: np.ndarray) -> float:
    """As the paper has it: (1 - |g - 1/B|^2 / sum g^2)^(-1/2)."""
    g = scores / scores.sum()
    return float((1 - ((g - 1 / len(g)) ** 2).sum() / (g**2).sum()) ** -0.5)


def test_the_switch_is_the_papers() -> None:
    switch = ImportanceSwitch()
    switch.update([0.1, 0.2, 0.3, 0.4], pool=4, kept=2)
    assert switch.tau == pytest.approx(0.1 * 1.095445, rel=1e-6)
    random = np.random.default_rng(3)
    switch, tau = ImportanceSwitch(momentum=0.8), 0.0
    for step in range(200):
        scores = random.exponential(size=96) ** random.uniform(0, 6)
        tau = 0.8 * tau + 0.2 * variance_ratio(scores)
        switch.update(1e30 * scores, pool=96, kept=32)
        assert switch.tau == pytest.approx(tau, rel=1e-9)
        assert switch.on == (switch.tau > 2), step  # (96 + 3 * 32) / (3 * 32)
    again = ImportanceSwitch(momentum=0.8, tau=switch.tau, threshold=2)
    assert again.on == switch.on


def test_the_switch_takes_no_longer_and_no_shorter_than_its_momentum_says() -> None:
    switch = ImportanceSwitch()
    one = np.zeros(16)
    one[3] = 7  # the largest ratio that 16 scores have: 4
    steps = 0
    while not switch.on:
        switch.update(one, pool=48, kept=16)
        steps += 1
    assert steps == 7  # 4 (1 - 0.9^7) = 2.09 is above (48 + 48) / 48, 4 (1 - 0.9^6) is not
    while switch.on:
        switch.update(np.zeros(48), pool=48, kept=16)  # nothing is preferred: 1
        steps += 1
    assert steps == 8
    assert not ImportanceSwitch(threshold=5, tau=5).on


@pytest.mark.parametrize("scores", [[1.0, np.nan], [1.0, -0.5], [np.inf, 1.0]])
def test_the_switch_refuses_what_is_no_score(scores: Any) -> None:
    switch = ImportanceSwitch(tau=1.5)
    with pytest.raises(ValueError, match="outside"):
        switch.update(scores, pool=2, kept=1)
    with pytest.raises(ValueError, match="kept 0 of a pool of 2"):
        switch.update([1.0, 2.0], pool=2, kept=0)
    assert switch.tau == 1.5
    for wrong in ({"threshold": 0.5}, {"momentum": 1.0}, {"tau": np.inf}):
        with pytest.raises(ValueError, match="is"):
            ImportanceSwitch(**wrong)


def test_choosing_starts_when_it_pays_and_is_uniform_before(
    client: subset.Client, name: str
) -> None:
    run = make_run(client, name, preset="katharopoulos_fleuret")
    data = [(torch.tensor([float(i)]),) for i in range(SAMPLES)]
    loader = DataLoader(IndexedDataset(data), batch_sampler=run.batch_sampler())
    hard = [float(i % 24 == 0) * 50 + 0.01 for i in range(SAMPLES)]  # about 2 of a pool of 48
    scored = []

    def score(batch: Any) -> torch.Tensor:
        scored.append(len(batch[0]))
        return torch.tensor([hard[int(x)] for x in batch[0].squeeze(1)])

    switch = ImportanceSwitch(momentum=0.5)
    ratio, was_on = [], []
    for (x,), draw in select_batches(loader, run, score, switch=switch):
        on = scored[-1] == POOL
        was_on.append(on)
        assert (len(draw), draw.pool_samples, draw.unbiased_over) == (16, POOL, "batch")
        if not on:
            assert scored[-1] == 16
            assert len(set(draw.places.tolist())) == 16
            assert set(draw.weights.tolist()) == {1.0}
            assert set(draw.probabilities.tolist()) == {1 / 3}
        else:
            np.testing.assert_allclose(draw.weights, 1 / (POOL * draw.probabilities), rtol=1e-6)
        ratio.append(switch.tau)
    assert was_on[0] is False
    assert was_on[1:] == [tau > 2 for tau in ratio[:-1]]
    assert any(was_on)
    run.flush(timeout=60)
    assert run.open_epoch(0).acknowledged_positions == SAMPLES
    assert run.info().scored_samples == sum(scored)  # what was not scored is not reported
    assert run.stats()["unusable_values"] == 0


def test_a_rule_without_a_number_has_no_uniform_form(client: subset.Client, name: str) -> None:
    run = make_run(client, name, preset="selective_backprop")
    with pytest.raises(subset.InvalidArgument, match="keeps no number") as refused:
        run.select(run.share(0, 0), None)
    assert refused.value.field == "uniformly"


def test_a_rule_may_be_given_with_the_call(client: subset.Client, name: str) -> None:
    run = make_run(client, name, preset="uniform")
    pool = run.batch(0, 7, 20)
    scores = scores_of(pool.indices)
    draw = run.select(pool, scores, rule={"kind": "TOP_AND_UNIFORM", "count": 6, "uniform": 2})
    assert (len(draw), draw.unbiased_over) == (6, "batch")
    with pytest.raises(subset.InvalidArgument, match="none either") as refused:
        run.select(pool, scores)
    assert refused.value.field == "rule"
    with pytest.raises(subset.InvalidArgument, match="21"):
        run.select(pool, scores, rule={"kind": "TOP", "count": 21})
    with pytest.raises(subset.InvalidArgument, match="not finite"):
        run.select(pool, np.full(20, np.nan), rule={"kind": "TOP", "count": 1})
    with pytest.raises(ValueError, match="kinds"):
        run.select(pool, scores, rule={"kinds": "TOP"})
    with pytest.raises(ValueError, match="19"):
        run.select(pool, scores[1:], rule={"kind": "TOP", "count": 1})
    with pytest.raises(ValueError, match="already"):
        run.select(draw, scores[:6], rule={"kind": "TOP", "count": 1})


def test_a_share_that_only_pads_comes_back_whole(client: subset.Client, name: str) -> None:
    run = make_run(client, name, preset="ohem")
    pool = run.share(0, 0, rank=0, world_size=POOL + 1)
    assert pool.padding == 1
    assert run.select(pool, [3.0]) == pool
    np.testing.assert_array_equal(pool.take(pool.indices), pool.indices)


def test_nothing_chosen_is_a_mean_of_zero_that_has_a_gradient() -> None:
    batch = training_pb2.Batch(index_width=4, pool_samples=8, global_samples=8)
    draw = subset.Draw.from_reply(batch.SerializeToString(), run_uid=1, rank=0, world_size=1)
    assert (len(draw), len(draw.places)) == (0, 0)
    outputs = torch.ones(3, requires_grad=True)
    loss = draw.mean(draw.take(outputs))
    loss.backward()
    assert loss.item() == 0
    assert outputs.grad is not None and outputs.grad.tolist() == [0, 0, 0]


def test_what_is_taken_has_the_form_of_the_batch() -> None:
    places = np.array([2, 0], np.uint32)
    batch: Dict[str, Any] = {
        "x": torch.arange(6.0).reshape(3, 2),
        "y": [np.arange(3), ("a", "b", "c")],
        "ids": [7, 8, 9],
    }
    taken = take(batch, places)
    assert taken["x"].tolist() == [[4.0, 5.0], [0.0, 1.0]]
    assert taken["y"][0].tolist() == [2, 0]
    assert taken["y"][1] == ("c", "a")
    assert taken["ids"] == [9, 7]
    with pytest.raises(ValueError, match="object"):
        take(object(), places)


def test_a_bag_knows_what_it_leaves_out(client: subset.Client, name: str) -> None:
    run = make_run(client, name, preset="bootstrap")
    with pytest.raises(subset.FailedPrecondition) as refused:
        run.out_of_bag(0)
    assert refused.value.reason == "EPOCH_NOT_OPEN"
    inside = np.concatenate([draw.indices for draw in run.batches(0)])
    outside = run.out_of_bag(0)
    assert outside.dtype == np.uint32
    assert sorted({*inside.tolist(), *outside.tolist()}) == list(range(SAMPLES))
    assert not set(inside.tolist()) & set(outside.tolist())
    assert 0.2 < len(outside) / SAMPLES < 0.5
    np.testing.assert_array_equal(outside, np.sort(outside))


def test_a_new_version_starts_at_its_epoch(client: subset.Client, name: str) -> None:
    run = make_run(client, name, preset="uniform")
    sampler = client.ensure_sampler(f"{name}/s", preset="ohem", update=True, from_epoch=2)
    assert (sampler.version, sampler.from_epoch) == (2, 2)
    assert [run.share(epoch, 0).sampler_version for epoch in range(4)] == [1, 1, 2, 2]
    with pytest.raises(subset.FailedPrecondition, match="epoch 3 is open") as refused:
        client.ensure_sampler(f"{name}/s", preset="uniform", update=True, from_epoch=3)
    assert refused.value.reason == "EPOCH_OPEN"
    again = client.ensure_sampler(f"{name}/s", preset="ohem", update=True, from_epoch=2)
    assert again.version == 2
    with pytest.raises(ValueError, match="from_epoch"):
        client.ensure_sampler(f"{name}/s", preset="uniform", from_epoch=3)
    steps = run.open_epoch(3).num_steps
    later = client.ensure_sampler(f"{name}/s", preset="uniform", update=True, from_step=5 * steps)
    assert (later.version, later.from_epoch, later.from_step) == (3, 0, 5 * steps)
    assert [run.share(epoch, 0).sampler_version for epoch in range(4, 7)] == [2, 3, 3]
