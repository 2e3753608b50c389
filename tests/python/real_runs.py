"""Runs over one small dataset with uneven classes, for tests on a real server."""

from __future__ import annotations

from typing import Any, List

import numpy as np

import subset


SAMPLES = 1_000
CLASSES = 5
# Uneven classes: 400, 300, 200, 75, 25.
LABELS = np.repeat(np.arange(CLASSES), [400, 300, 200, 75, 25]).astype(np.uint8)


def losses(indices: np.ndarray) -> np.ndarray:
    """A loss that differs from sample to sample, in (0, 2]."""
    return ((indices.astype(np.int64) * 7919 % SAMPLES + 1) / SAMPLES * 2).astype(np.float32)


def make_run(
    client: subset.Client, name: str, *, size: int = 64, seed: int = 3, **definition: Any
) -> subset.Run:
    client.ensure_dataset(name, label=LABELS)
    client.ensure_sampler(f"{name}/s", **definition)
    return client.run(name, sampler=f"{name}/s", seed=seed, global_batch_size=size)


def train_epoch(run: subset.Run, epoch: int) -> List[subset.Draw]:
    """Draws an epoch and reports the losses of its samples."""
    draws = list(run.batches(epoch))
    for draw in draws:
        run.report(draw, loss=losses(draw.indices))
    run.flush(timeout=60)
    return draws


def joined(draws: List[subset.Draw], what: str) -> np.ndarray:
    return np.concatenate([getattr(draw, what) for draw in draws])
