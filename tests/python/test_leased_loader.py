"""PyTorch's DataLoader over leased blocks: workers, waiting, breaking off."""

from __future__ import annotations

import json
import threading
from typing import Any, Dict, List

import pytest
import torch
from leasing import acknowledgers, make_run, other, take_and_die, until
from torch.utils.data import Dataset

import subset
from subset import state as tokens
from subset.torch import DataLoader, IndexedDataset

SAMPLES, SIZE = 200, 8
START = [(0, None, False), (2, "fork", False), (2, "fork", True), (8, "fork", False)]
START.append((2, "spawn", False))


class Numbers(Dataset):  # type: ignore[type-arg]
    def __len__(self) -> int:
        return SAMPLES

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.tensor(index)


def loader_of(run: subset.Run, *, workers: int = 2, **options: Any) -> DataLoader:
    return DataLoader(
        IndexedDataset(Numbers()),
        batch_sampler=run.leased_batch_sampler(**options),
        num_workers=workers,
        multiprocessing_context="fork" if workers else None,
    )


@pytest.mark.parametrize(("workers", "start", "persistent"), START)
def test_lease_and_weights_reach_the_loss_and_every_index_is_acknowledged_once(
    client: subset.Client, name: str, workers: int, start: Any, persistent: bool
) -> None:
    run = make_run(client, name, samples=SAMPLES, size=SIZE)
    loader = DataLoader(
        IndexedDataset(Numbers()),
        batch_sampler=run.leased_batch_sampler(worker="w"),
        num_workers=workers,
        multiprocessing_context=start,
        persistent_workers=persistent,
    )
    for epoch in range(2):
        seen: List[int] = []
        leases = set()
        for x, draw in loader:
            assert (draw.epoch, draw.worker, draw.attempt) == (epoch, "w", 1)
            assert x.tolist() == draw.indices.tolist() and len(draw.weights) == len(x)
            leases.add(draw.lease.id)
            run.report(draw, loss=draw.mean(x.float()).expand(len(x)))
            seen += x.tolist()
        assert sorted(seen) == list(range(SAMPLES)) and len(leases) == SAMPLES // SIZE
        assert loader.batch_sampler.complete and loader.batch_sampler.epoch == epoch + 1
        assert acknowledgers(run, epoch) == ["w"] * SAMPLES
    run.flush(timeout=60)
    assert run.stats()["held_leases"] == 0


def test_two_loaders_that_fetch_ahead_do_not_wait_for_each_other(
    client: subset.Client, name: str
) -> None:
    run = make_run(client, name, samples=SAMPLES, size=SIZE)
    given: Dict[str, List[int]] = {"a": [], "b": []}

    def train(worker: str) -> None:
        mine = other(run)
        for x, draw in loader_of(mine, worker=worker):
            mine.report(draw)
            given[worker] += x.tolist()

    threads = [threading.Thread(target=train, args=(worker,), daemon=True) for worker in given]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
        assert not thread.is_alive()
    assert sorted(given["a"] + given["b"]) == list(range(SAMPLES))
    assert "" not in acknowledgers(run)


def test_a_loader_goes_on_with_what_a_dead_worker_leaves(client: subset.Client, name: str) -> None:
    run = make_run(client, name, samples=SAMPLES, size=SIZE)
    lost = [take_and_die(other(run), "dead", 3.0) for _ in range(3)]
    attempts = {}
    for _, draw in loader_of(run, worker="alive"):
        run.report(draw)
        attempts[draw.position] = draw.attempt
    assert {p for p, attempt in attempts.items() if attempt == 2} == {d.position for d in lost}
    assert acknowledgers(run) == ["alive"] * SAMPLES


@pytest.mark.parametrize("workers", [0, 2])
def test_breaking_off_gives_back_what_was_fetched_and_not_yielded(
    client: subset.Client, name: str, workers: int
) -> None:
    run = make_run(client, name, samples=SAMPLES, size=SIZE)
    leaver = other(run)
    batches = iter(loader_of(leaver, workers=workers, worker="leaver"))
    last = [next(batches)[1] for _ in range(3)][-1]
    batches.close()  # type: ignore[attr-defined]
    until(lambda: run.leases(0).num_leased == 3)  # those it may still report
    leaver.report(last)
    leaver.flush(timeout=60)
    leaver.close()
    done = run.leased_batches(0, worker="next")
    for draw in done:
        run.report(draw)
    assert done.complete
    assert sorted(set(acknowledgers(run))) == ["leaver", "next"]
    assert acknowledgers(run).count("leaver") == SIZE


def test_a_plain_loader_iterates_until_complete(client: subset.Client, name: str) -> None:
    run = make_run(client, name, samples=SAMPLES, size=SIZE)
    batches = run.leased_batch_sampler()
    loader = torch.utils.data.DataLoader(
        IndexedDataset(Numbers()), batch_sampler=batches, num_workers=2
    )
    seen: List[int] = []
    while not batches.complete:
        for x, draw in loader:
            run.report(draw)
            seen += x.tolist()
    assert sorted(seen) == list(range(SAMPLES))


def test_an_accumulator_reports_its_rest_after_the_loop(client: subset.Client, name: str) -> None:
    run = make_run(client, name, samples=SAMPLES, size=SIZE)
    loader, held = loader_of(run), []
    for _, draw in loader:
        held.append(draw)
        if len(held) == 4:
            while held:
                run.report(held.pop())
    assert len(held) == 1 and not loader.batch_sampler.complete  # 25 blocks
    run.report(held.pop())
    assert list(loader) == [] and loader.batch_sampler.complete


def test_an_epoch_that_is_over_is_over_for_whoever_asks_again(
    client: subset.Client, name: str
) -> None:
    run = make_run(client, name, samples=SAMPLES, size=SIZE)
    loader = loader_of(run)
    for epoch, blocks in ((0, 25), (0, 0), (1, 25)):
        loader.set_epoch(epoch)
        draws = []
        for _, draw in loader:
            run.report(draw)
            draws.append(draw)
        assert [draw.epoch for draw in draws] == [epoch] * blocks
        assert loader.batch_sampler.complete
    joined = loader_of(other(run))
    joined.set_epoch(0)
    assert list(joined) == [] and joined.batch_sampler.epoch == 1


def test_the_state_of_a_leased_loader_is_its_epoch(client: subset.Client, name: str) -> None:
    run = make_run(client, name, samples=SAMPLES, size=SIZE)
    loader = loader_of(run, workers=0)
    assert loader.state_dict()["epoch"] == 0
    half = iter(loader)
    for _ in range(12):
        run.report(next(half)[1])
    half.close()  # type: ignore[attr-defined]
    state = json.loads(json.dumps(loader.state_dict()))
    assert state["epoch"] == 0 and len(json.dumps(state)) < 1024
    mine = subset.connect(run._connection.address).run(name, sampler=f"{name}/s", seed=3)
    again = loader_of(mine, workers=0)
    again.load_state_dict(state)  # before anything is known of the run
    rest = []
    for _, draw in again:
        mine.report(draw)
        rest.append(draw.position)
    assert sorted(rest) == list(range(12 * SIZE, SAMPLES, SIZE))
    assert again.state_dict()["epoch"] == again.batch_sampler.epoch == 1
    with pytest.raises(ValueError, match="leased delivery, this sampler's is assigned"):
        run.batch_sampler().load_state_dict(state)
    with pytest.raises(ValueError, match="assigned delivery, this sampler's is leased"):
        loader.load_state_dict(run.batch_sampler().state_dict())
    for wrong, message in (({"seed": 9}, "seed 9"), ({"version": 9}, "version 9")):
        with pytest.raises(ValueError, match=message):
            changed = {**state, **wrong}
            loader.load_state_dict({**changed, "crc": tokens.checksum(changed)})
    with pytest.raises(ValueError, match="checksum"):
        loader.load_state_dict({**state, "epoch": 7})
    stranger = make_run(client, f"{name}-2")
    unbound = subset.connect(run._connection.address).run(name, sampler=f"{name}/s", seed=3)
    foreign = {**state, "run_uid": stranger.uid}
    late = loader_of(unbound, workers=0)
    late.load_state_dict({**foreign, "crc": tokens.checksum(foreign)})
    with pytest.raises(ValueError, match=f"run_uid {stranger.uid}, this run {run.uid}"):
        next(iter(late))
