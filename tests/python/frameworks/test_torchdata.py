"""torchdata's StatefulDataLoader keeps our place by its own protocol."""

from __future__ import annotations

import json
from typing import Any, List, Tuple

import pytest
import subset
import torch
from subset.torch import IndexedDataset
from torch.utils.data import Dataset
from torchdata.stateful_dataloader import StatefulDataLoader

SAMPLES, SIZE, STEPS = 95, 10, 10


class Numbers(Dataset):  # type: ignore[type-arg]
    def __len__(self) -> int:
        return SAMPLES

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.tensor(float(index))


def make(client: subset.Client, name: str, workers: int) -> Tuple[subset.Run, Any]:
    client.ensure_dataset(name, num_samples=SAMPLES)
    client.ensure_sampler(f"{name}/s", preset="uniform")
    run = client.run(name, sampler=f"{name}/s", seed=3, global_batch_size=SIZE)
    options = {"num_workers": workers}
    if workers:
        options["prefetch_factor"] = 3
    return run, StatefulDataLoader(
        IndexedDataset(Numbers()), batch_sampler=run.batch_sampler(), **options
    )


def steps(loader: Any) -> List[Tuple[int, int]]:
    return [(draw.epoch, draw.step) for _, draw in loader]


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("reported", [False, True])
def test_it_resumes_at_every_batch(
    client: subset.Client, name: str, workers: int, reported: bool
) -> None:
    run, loader = make(client, name, workers)
    states = []
    for x, draw in loader:
        if reported:
            run.report(draw, loss=x)
        states.append(json.loads(json.dumps(loader.state_dict())))
    states.append(json.loads(json.dumps(loader.state_dict())))  # after the end
    assert len(states) == STEPS + 1
    for stop, state in enumerate(states, 1):
        _, resumed = make(client, name, workers)
        resumed.load_state_dict(state)
        rest = [(0, step) for step in range(stop, STEPS)]
        assert steps(resumed) == (rest or [(1, step) for step in range(STEPS)])
        assert steps(resumed) == [(1 if rest else 2, step) for step in range(STEPS)]
