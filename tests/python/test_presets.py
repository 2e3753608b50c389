"""Every preset against a real server: two epochs drawn and reported, with what the reply says about them."""

from __future__ import annotations

from typing import Any, Dict, List

import numpy as np
import pytest

import subset

SAMPLES = 600
_random = np.random.default_rng(7)
COLUMNS: Dict[str, np.ndarray] = {
    "label": np.repeat(np.arange(3), [400, 150, 50]).astype(np.uint8),
    "group": (np.arange(SAMPLES) % 4).astype(np.uint8),
    "quality": _random.random(SAMPLES).astype(np.float32),
    "difficulty": _random.random(SAMPLES).astype(np.float32),
    "timestamp": np.arange(SAMPLES, dtype=np.int64) * 60,
    "irreducible_loss": _random.random(SAMPLES).astype(np.float32),
}
REQUIRED = {"total_epochs": 4, "growth_epochs": 2, "length": 50, "half_life": 3600}
EACH_ONCE = {"uniform", "time_block"}


def train_epoch(run: subset.Run, epoch: int) -> List[subset.Draw]:
    draws = list(run.batches(epoch))
    for draw in draws:
        loss = (draw.indices % 17 + 1).astype(np.float32)
        run.report(draw, loss=loss, el2n=loss / 17, correct=(loss > 4 + 9 * epoch).astype(np.float32))
    run.flush(timeout=60)
    return draws


def test_every_preset_draws_what_training_needs(client: subset.Client, name: str) -> None:
    client.ensure_dataset(name, columns=COLUMNS)
    presets = client.presets()
    assert len(presets) > 20
    for preset in presets:
        required = {p.name: REQUIRED[p.name] for p in preset.parameters if p.default is None}
        sampler = f"{name}/{preset.name.replace('_', '-')}"
        client.ensure_sampler(sampler, preset=preset.name, **required)
        run = client.run(
            sampler.replace("/", "-")[-60:].lstrip("-."), sampler=sampler, seed=3, global_batch_size=32
        )
        for epoch in range(2):
            draws = train_epoch(run, epoch)
            indices = np.concatenate([draw.indices for draw in draws])
            weights = np.concatenate([draw.weights for draw in draws])
            assert 0 < len(indices) <= SAMPLES * 1.2, preset.name
            assert indices.max() < SAMPLES, preset.name
            assert np.isfinite(weights).all() and (weights > 0).all(), preset.name
            if preset.name in EACH_ONCE:
                assert sorted(indices.tolist()) == list(range(SAMPLES)), preset.name
            again = np.concatenate([draw.indices for draw in run.batches(epoch)])
            np.testing.assert_array_equal(again, indices, err_msg=preset.name)


@pytest.mark.parametrize(
    "columns, message",
    [({"strata": "dialect"}, "dialect"), ({"starta": "label"}, 'did you mean "strata"')],
)
def test_a_column_that_is_not_there_is_named(
    client: subset.Client, name: str, columns: Dict[str, Any], message: str
) -> None:
    client.ensure_dataset(name, columns=COLUMNS)
    with pytest.raises(subset.SubsetError, match=message):
        client.ensure_sampler(f"{name}/s", preset="class_balanced", columns=columns)
    assert client.list_samplers(name) == []
