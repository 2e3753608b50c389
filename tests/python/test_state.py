"""States of a batch sampler over a real server: where training stands, whatever fetched ahead."""

from __future__ import annotations

import json
from typing import Any, Dict, List, Tuple

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset

import subset
from subset import state as tokens
from subset.torch import DataLoader, IndexedDataset, draw_of

SAMPLES, SIZE = 95, 10
STEPS = 10  # the last of 5 samples


class Numbers(Dataset):  # type: ignore[type-arg]
    def __len__(self) -> int:
        return SAMPLES

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.tensor(float(index))


def make_run(client: subset.Client, name: str, **settings: Any) -> subset.Run:
    client.ensure_dataset(name, num_samples=SAMPLES)
    client.ensure_sampler(f"{name}/s", preset="uniform")
    return client.run(
        name, **{"sampler": f"{name}/s", "seed": 3, "global_batch_size": SIZE, **settings}
    )


def loader_of(batches: subset.BatchSampler, **options: Any) -> DataLoader:
    return DataLoader(IndexedDataset(Numbers()), batch_sampler=batches, **options)


def read(loader: Any, limit: int = STEPS) -> List[Tuple[int, int]]:
    """(epoch, step) of the next batches; the samples are those of the draw."""
    seen = []
    for x, draw in loader:
        assert x.tolist() == draw.indices.tolist()
        seen.append((draw.epoch, draw.step))
        if len(seen) == limit:
            break
    return seen


LOADERS = [
    {"num_workers": 0},
    {"num_workers": 2, "multiprocessing_context": "fork", "prefetch_factor": 4},
    {"num_workers": 2, "multiprocessing_context": "fork", "persistent_workers": True},
]


@pytest.mark.parametrize("options", LOADERS, ids=["0", "2-ahead", "2-persistent"])
@pytest.mark.parametrize("reported", [False, True])
def test_a_state_is_right_at_every_batch_however_far_a_loader_fetched_ahead(
    client: subset.Client, name: str, options: Dict[str, Any], reported: bool
) -> None:
    run = make_run(client, name)
    loader = loader_of(run.batch_sampler(), **options)
    states = [loader.state_dict()]
    for x, draw in loader:
        states.append(loader.state_dict())
        assert loader.batch_sampler.state_dict(after=draw) == states[-1]
        if reported and draw.step % 2:
            run.report(draw, loss=x)  # later than it was yielded, and not for all
    assert len(states) == STEPS + 1
    for stop, state in enumerate(states):
        text = json.dumps(state)
        assert len(text) < 1024
        resumed = loader_of(make_run(client, name).batch_sampler(), **options)
        resumed.load_state_dict(json.loads(text))
        assert resumed.state_dict() == state
        expected = [(0, step) for step in range(stop, STEPS)] or [(1, s) for s in range(STEPS)]
        resumed.set_epoch(expected[0][0])
        assert read(resumed) == expected
        assert resumed.batch_sampler.epoch == expected[0][0] + 1


@pytest.mark.parametrize(
    "options",
    [
        {"num_workers": 8, "multiprocessing_context": "fork"},
        {"num_workers": 8, "multiprocessing_context": "spawn", "persistent_workers": True},
    ],
    ids=["fork", "spawn-persistent"],
)
def test_eight_workers_give_the_same_epochs(
    client: subset.Client, name: str, options: Dict[str, Any]
) -> None:
    loader = loader_of(make_run(client, name).batch_sampler(), **options)
    assert read(loader, limit=4) == [(0, step) for step in range(4)]
    state = loader.state_dict()
    assert (state["epoch"], state["position"]) == (0, 4 * SIZE)
    # Broken off: the epoch begins again, also where the workers had fetched all of it.
    assert read(loader) == [(0, step) for step in range(STEPS)]
    assert read(loader) == [(1, step) for step in range(STEPS)]
    assert loader.state_dict()["epoch"] == 2


def test_a_state_asks_nobody(
    client: subset.Client, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    loader = loader_of(make_run(client, name).batch_sampler())
    read(loader, limit=3)
    state = loader.state_dict()
    monkeypatch.setattr(client._connection, "call", None)
    monkeypatch.setattr(client._connection, "stream_batches", None)
    assert loader.state_dict() == state
    loader.load_state_dict(state)
    assert loader.state_dict() == state


@pytest.mark.parametrize("preset", ["uniform", "importance"])
def test_the_same_global_sequence_resumed_at_8_then_4_then_12_ranks(
    client: subset.Client, name: str, preset: str
) -> None:
    client.ensure_dataset(name, num_samples=1_000)
    client.ensure_sampler(f"{name}/s", preset=preset)
    run = client.run(name, sampler=f"{name}/s", seed=9, global_batch_size=28)
    whole = np.concatenate([draw.indices for draw in run.batches(0)]).tolist()
    done: List[int] = []
    state = None
    for world_size, until in ((8, 11), (4, 23), (12, 36)):
        ranks = [run.batch_sampler(rank=r, world_size=world_size) for r in range(world_size)]
        for rank in ranks:
            if state is not None:
                rank.load_state_dict(json.loads(json.dumps(state)))
            assert len(rank) == 36
        for lists in zip(*ranks):
            draws = [draw_of(indices) for indices in lists]
            assert len({draw.step for draw in draws}) == 1
            for draw in draws:
                done += draw.indices[: len(draw) - draw.padding].tolist()
            if draws[0].step + 1 == until:
                break
        state = ranks[0].state_dict()
        assert all(rank.state_dict() == state for rank in ranks)
    assert done == whole
    assert (state["epoch"], state["position"]) == (1, 0)


def test_length_and_drop_last(client: subset.Client, name: str) -> None:
    run = make_run(client, name, drop_last=True)
    loader = loader_of(run.batch_sampler())
    assert loader.batch_sampler.drop_last
    assert len(loader) == len(read(loader)) == STEPS - 1
    kept = make_run(client, name + "-all", sampler=f"{name}-all/s")
    assert len(loader_of(kept.batch_sampler())) == STEPS


def test_set_epoch_goes_anywhere_and_keeps_a_loaded_place(client: subset.Client, name: str) -> None:
    run = make_run(client, name)
    loader = loader_of(run.batch_sampler())
    read(loader, limit=3)
    state = loader.state_dict()
    loader.set_epoch(4)
    assert read(loader, limit=1) == [(4, 0)]
    loader.load_state_dict({**state})
    loader.set_epoch(0)
    assert read(loader)[0] == (0, 3)
    loader.set_epoch(0)
    assert read(loader)[0] == (0, 0)
    for epoch in (-1, 2**32):
        with pytest.raises(ValueError, match=f"epoch {epoch}"):
            loader.set_epoch(epoch)


# Refusals: both values shown, nothing changed.


def sealed(state: Dict[str, Any], **changes: Any) -> Dict[str, Any]:
    """A forgery with a checksum that fits."""
    changed = {**state, **changes}
    changed["crc"] = tokens.checksum(changed)
    return changed


@pytest.fixture
def batches(client: subset.Client, name: str) -> subset.BatchSampler:
    sampler = make_run(client, name).batch_sampler()
    iterator = iter(sampler)
    for _ in range(3):
        next(iterator)
    return sampler


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({"version": tokens.VERSION + 1}, (tokens.VERSION + 1, tokens.VERSION)),
        ({"version": "2"}, ("'2'", tokens.VERSION)),
        ({"seed": 4}, (4, 3)),
        ({"dataset": "another"}, ("'another'", None)),
        ({"sampler": "another/s"}, ("'another/s'", None)),
        ({"run": "another"}, ("'another'", None)),
        ({"dataset_uid": 2**63}, (2**63, None)),
        ({"sampler_uid": 2**63}, (2**63, None)),
        ({"run_uid": 2**63}, (2**63, None)),
        ({"global_batch_size": 20}, (20, SIZE)),
        ({"position": 35}, (35, SIZE)),
        ({"position": -10}, (-10, 2**64)),
        ({"position": 10.0}, (10.0, 2**64)),
        ({"epoch": 2**32}, (2**32, 2**32)),
        ({"epoch": True}, (True, 2**32)),
    ],
)
def test_foreign_forged_and_future_states_are_refused(
    batches: subset.BatchSampler, changes: Dict[str, Any], shown: Tuple[Any, Any]
) -> None:
    state = batches.state_dict()
    ((key, _),) = changes.items()
    if key != "version":  # a version is not even looked into
        with pytest.raises(ValueError, match="checksum"):
            batches.load_state_dict({**state, **changes})
    with pytest.raises(ValueError) as caught:
        batches.load_state_dict(sealed(state, **changes))
    for value in (shown[0], repr(state[key]) if shown[1] is None else shown[1]):
        assert str(value) in str(caught.value)
    assert batches.state_dict() == state


def test_truncated_states_are_refused(batches: subset.BatchSampler) -> None:
    state = batches.state_dict()
    for key in state:
        cut = {k: v for k, v in state.items() if k != key}
        with pytest.raises(ValueError, match="damaged|version None"):
            batches.load_state_dict(cut)
        if key != "crc":
            with pytest.raises(ValueError):
                batches.load_state_dict(sealed(cut))
    deep: Any = 0
    for _ in range(100_000):
        deep = [deep]
    unreadable = [{"version": tokens.VERSION, "crc": 1, "epoch": value} for value in ({2}, deep)]
    for nothing in ({}, [], "state", None, *unreadable):
        with pytest.raises(ValueError):
            batches.load_state_dict(nothing)  # type: ignore[arg-type]
    assert batches.state_dict() == state


def test_a_run_made_again_does_not_take_the_state_of_the_old_one(
    client: subset.Client, name: str
) -> None:
    batches = make_run(client, name).batch_sampler()
    next(iter(batches))
    state = batches.state_dict()
    client.delete_run(name)
    # Not bound yet: only the first call can tell.
    again = client.run(name, sampler=f"{name}/s", seed=3).batch_sampler()
    again.load_state_dict(state)
    assert again.state_dict() == state
    with pytest.raises(ValueError, match="does not exist"):
        next(iter(again))
    made = make_run(client, name)
    with pytest.raises(ValueError, match=f"run_uid {state['run_uid']}, this run {made.uid}"):
        next(iter(again))


def test_a_position_past_the_end_is_refused(client: subset.Client, name: str) -> None:
    batches = make_run(client, name).batch_sampler()
    next(iter(batches))
    batches.load_state_dict(sealed(batches.state_dict(), position=(STEPS + 1) * SIZE))
    with pytest.raises(ValueError, match=f"step {STEPS + 1} is past epoch 0, which has {STEPS}"):
        next(iter(batches))


def test_a_loader_takes_only_our_batches() -> None:
    with pytest.raises(ValueError, match="batch_sampler"):
        DataLoader(Numbers(), batch_sampler=[[1]])  # type: ignore[arg-type]


class Asks(Numbers):
    """A dataset that draws by itself, which belongs to the process that trains."""

    def __init__(self, run: subset.Run) -> None:
        self.run = run

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.tensor(self.run.share(0, 0).indices[0])


def test_a_client_in_a_loader_worker_says_where_it_belongs(
    client: subset.Client, name: str
) -> None:
    run = make_run(client, name)
    options = {"batch_sampler": run.batch_sampler(), "num_workers": 1}
    with pytest.raises(subset.ForkedProcess, match="not in a loader worker"):
        next(iter(DataLoader(IndexedDataset(Asks(run)), multiprocessing_context="fork", **options)))
    with pytest.raises(TypeError, match="not in a loader worker"):
        next(iter(DataLoader(IndexedDataset(Asks(run)), multiprocessing_context="spawn", **options)))
    assert read(loader_of(run.batch_sampler()))[0] == (0, 0)  # the trainer's own still works
