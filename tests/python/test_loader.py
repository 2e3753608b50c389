"""PyTorch's DataLoader over a batch sampler: workers, pinning, states, forks."""

from __future__ import annotations

import gc
import json
import os
import pickle
import subprocess
import sys
from typing import Any, List, Tuple

import numpy as np
import pytest
import torch
from fake_server import FakeServer
from torch.utils.data import DataLoader, Dataset

import subset
from subset import prefetch
from subset.torch import Collate, IndexedDataset, draw_of


class Squares(Dataset):  # type: ignore[type-arg]
    """Sample i is (a vector of i, i squared)."""

    def __len__(self) -> int:
        return 100

    def __getitem__(self, index: int) -> Tuple[torch.Tensor, int]:
        assert type(index) is int
        return torch.full((3,), float(index)), index * index


class Fetched(Squares):
    """Reads a whole batch at once, as newer datasets do."""

    def __getitems__(self, indices: List[int]) -> List[Any]:
        return [Squares.__getitem__(self, index) for index in indices]


def pairs(samples: List[Any]) -> Any:
    """A collate function of one's own, which spawned workers can import."""
    return [s[1] for s in samples]


def open_run(fake: FakeServer, name: str = "run", size: int = 10, **settings: Any) -> subset.Run:
    return subset.connect(fake.address).run(name, sampler="d/s", global_batch_size=size, **settings)


@pytest.mark.parametrize("dataset", [Squares, Fetched])
@pytest.mark.parametrize(
    ("workers", "start", "persistent"),
    [(0, None, False), (2, "fork", False), (2, "fork", True), (2, "spawn", False)],
)
def test_every_loader_carries_the_draw_to_the_loss(
    fake: FakeServer, workers: int, start: Any, persistent: bool, dataset: Any
) -> None:
    run = open_run(fake)
    loader = DataLoader(
        IndexedDataset(dataset()),
        batch_sampler=run.batch_sampler(),
        num_workers=workers,
        multiprocessing_context=start,
        persistent_workers=persistent,
    )
    for epoch in range(2):
        seen = []
        for (x, y), draw in loader:
            assert isinstance(draw, subset.Draw)
            assert draw.epoch == epoch
            assert x.shape == (10, 3) and x[:, 0].tolist() == draw.indices.tolist()
            assert y.tolist() == [i * i for i in draw.indices.tolist()]
            assert draw.mean(y.float()).item() == pytest.approx(y.float().mean().item())
            run.report(draw, loss=y)
            seen += draw.indices.tolist()
        assert seen == fake.order().tolist()
    run.flush(timeout=30)
    assert fake.acknowledged() == 2 * list(range(100))


def test_a_pinned_draw_is_still_a_draw(fake: FakeServer) -> None:
    # pin_memory needs a device; what the loader calls on the collated batch does not.
    from torch.utils.data._utils.pin_memory import pin_memory

    draw = open_run(fake).share(0, 0)
    assert pin_memory(draw) is draw


@pytest.mark.parametrize(("workers", "start"), [(0, None), (2, "spawn")])
def test_a_collate_function_of_ones_own(fake: FakeServer, workers: int, start: Any) -> None:
    loader = DataLoader(
        IndexedDataset(Squares()),
        batch_sampler=open_run(fake).batch_sampler(),
        collate_fn=Collate(pairs),
        num_workers=workers,
        multiprocessing_context=start,
    )
    for squares, draw in loader:
        assert squares == [i * i for i in draw.indices.tolist()]


def test_the_sampler_alone_gives_indices_and_their_draw(fake: FakeServer) -> None:
    batches = open_run(fake).batch_sampler()
    for step, indices in enumerate(batches):
        assert [int(i) for i in indices] == draw_of(indices).indices.tolist()
        assert draw_of(pickle.loads(pickle.dumps(indices))).step == step
    with pytest.raises(ValueError, match="batch_sampler"):
        draw_of([1, 2])


def test_a_plain_sampler_under_an_indexed_dataset_is_misuse() -> None:
    with pytest.raises(ValueError, match="batch_sampler"):
        next(iter(DataLoader(IndexedDataset(Squares()), batch_size=4)))


def test_nothing_is_asked_before_the_first_batch(fake: FakeServer) -> None:
    run = subset.connect(fake.address).run("run", sampler="d/s")
    batches = run.batch_sampler(global_batch_size=10)
    iterator = iter(batches)
    state = batches.state_dict()
    assert not fake.calls
    assert len(next(iterator)) == 10
    assert set(fake.calls) == {"CreateRun", "OpenEpoch", "StreamBatches"}
    assert state["epoch"] == state["position"] == 0


def test_length_is_the_steps_of_the_epoch(fake: FakeServer) -> None:
    fake.num_samples = 95
    batches = open_run(fake).batch_sampler()
    assert len(batches) == 10
    assert len(list(batches)) == 10


@pytest.mark.parametrize("world_size", [1, 2, 3, 7])
def test_every_rank_gets_the_same_steps_of_the_same_global_batches(
    fake: FakeServer, world_size: int
) -> None:
    fake.num_samples = 93
    ranks = [
        [draw_of(b) for b in open_run(fake).batch_sampler(rank=rank, world_size=world_size)]
        for rank in range(world_size)
    ]
    assert {len(draws) for draws in ranks} == {10}
    together = [
        draws[step].indices[: len(draws[step]) - draws[step].padding]
        for step in range(10)
        for draws in ranks
    ]
    assert np.concatenate(together).tolist() == fake.order().tolist()


def test_rank_comes_from_the_environment(fake: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "3")
    batches = open_run(fake).batch_sampler()
    assert (batches.rank, batches.world_size) == (1, 3)


def test_epochs_follow_each_other_or_are_set(fake: FakeServer) -> None:
    batches = open_run(fake).batch_sampler()
    epochs = [{draw_of(b).epoch for b in batches} for _ in range(2)]
    batches.set_epoch(9)
    epochs.append({draw_of(b).epoch for b in batches})
    assert epochs == [{0}, {1}, {9}]
    assert batches.epoch == 10


def test_breaking_off_begins_the_epoch_again(fake: FakeServer) -> None:
    batches = open_run(fake).batch_sampler()
    for indices in batches:
        if draw_of(indices).step == 3:
            break
    assert [draw_of(b).step for b in batches] == list(range(10))


@pytest.mark.parametrize("stop", range(11))
def test_a_state_resumes_at_every_batch(fake: FakeServer, stop: int) -> None:
    batches = open_run(fake).batch_sampler()
    iterator = iter(batches)
    done = [draw_of(next(iterator)) for _ in range(stop)]
    state = json.loads(json.dumps(batches.state_dict()))
    assert len(json.dumps(state)) < 1024

    resumed = open_run(fake).batch_sampler()
    resumed.load_state_dict(state)
    epoch = resumed.epoch
    assert epoch == (1 if stop == 10 else 0)  # the end of an epoch is the start of the next
    resumed.set_epoch(epoch)
    done += [draw_of(b) for b in resumed]
    expected = [(0, s) for s in range(10)] + ([(1, s) for s in range(10)] if stop == 10 else [])
    assert [(d.epoch, d.step) for d in done] == expected


@pytest.mark.parametrize("stop", [1, 5, 10])
def test_what_a_loader_fetched_ahead_is_not_counted(fake: FakeServer, stop: int) -> None:
    run = open_run(fake)
    batches = run.batch_sampler()
    loader = DataLoader(IndexedDataset(Squares()), batch_sampler=batches, num_workers=2)
    for count, ((_, y), draw) in enumerate(loader, 1):
        run.report(draw, loss=y)
        if count == stop:
            break
    state = batches.state_dict()
    expected = (1, 0) if stop == 10 else (0, 10 * stop)
    assert (state["epoch"], state["position"]) == expected
    assert batches.state_dict(after=draw) == state


@pytest.mark.parametrize(
    "settings",
    [
        {"rank": 2, "world_size": 2},
        {"rank": 0},
        {"prefetch": 0},
        {"global_batch_size": 20},
    ],
)
def test_misuse_of_the_batch_sampler(fake: FakeServer, settings: Any) -> None:
    with pytest.raises(ValueError):
        open_run(fake).batch_sampler(**settings)


def test_a_run_without_a_batch_size_says_what_to_give(fake: FakeServer) -> None:
    run = subset.connect(fake.address).run("run", sampler="d/s")
    with pytest.raises(ValueError, match="global_batch_size"):
        next(iter(run.batch_sampler()))


def test_a_run_that_exists_is_taken_up_without_its_batch_size(fake: FakeServer) -> None:
    open_run(fake)
    run = subset.connect(fake.address).run("run", sampler="d/s")
    assert len(next(iter(run.batch_sampler()))) == 10


def test_a_forked_child_is_told_so(fake: FakeServer) -> None:
    run = open_run(fake)
    draw = run.share(0, 0)
    batches = run.batch_sampler()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        told = 0
        for call in (
            lambda: run.share(0, 0),
            lambda: run.report(draw, loss=[1.0] * 10),
            lambda: next(iter(batches)),
        ):
            try:
                call()
            except subset.ForkedProcess:
                told += 1
        os.write(writer, bytes([told]))
        os._exit(0)
    assert os.read(reader, 1) == bytes([3])
    assert os.waitpid(child, 0)[1] == 0
    assert run.share(0, 0) == draw  # the parent is unharmed


def test_connections_do_not_go_to_other_processes(fake: FakeServer) -> None:
    client = subset.connect(fake.address)
    run = client.run("run", sampler="d/s", global_batch_size=10)
    for thing in (client, run, run.batch_sampler()):
        with pytest.raises(TypeError, match="process"):
            pickle.dumps(thing)


def test_importing_the_package_imports_neither_grpc_nor_torch() -> None:
    script = (
        "import subset, sys; assert not {'grpc', 'torch', 'google.protobuf'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_a_process_that_ends_amid_an_epoch_ends_cleanly(fake: FakeServer) -> None:
    script = (
        "import subset, sys\n"
        "run = subset.connect(sys.argv[1]).run('run', sampler='d/s', global_batch_size=1)\n"
        "iterator = iter(run.batch_sampler())\n"
        "next(iterator)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, fake.address], timeout=60, stderr=subprocess.PIPE, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_servers_may_go_away_beside_forked_workers() -> None:
    script = """if True:
        import os, subset, sys, time
        subset.connect("127.0.0.1:1").close()  # before anything else imports grpc
        import numpy as np
        from fake_server import FakeServer
        from subset.torch import draw_of

        runs = []  # their reporters and streams go on asking
        for _ in range(10):
            fake = FakeServer()
            run = subset.connect(fake.address).run("r", sampler="d/s", global_batch_size=10)
            runs.append(run)
            for step, indices in enumerate(run.batch_sampler()):
                if step == 1 and os.fork() == 0:
                    time.sleep(0.5)
                    os._exit(0)
                run.report(draw_of(indices), loss=np.ones(len(indices), np.float32))
                if step == 5:
                    break
            fake.stop()
        print("alive", flush=True)
        os._exit(0)
    """
    env = {name: value for name, value in os.environ.items() if not name.startswith("GRPC_")}
    env["PYTHONPATH"] = os.pathsep.join([env.get("PYTHONPATH", ""), os.path.dirname(__file__)])
    done = subprocess.run(
        [sys.executable, "-c", script], env=env, timeout=60, stdout=subprocess.PIPE, text=True
    )
    assert (done.returncode, done.stdout) == (0, "alive\n")


def test_a_call_that_ended_is_not_left_to_the_collector(fake: FakeServer) -> None:
    def calls() -> List[Any]:
        return [o for o in gc.get_objects() if type(o).__name__ == "_MultiThreadedRendezvous"]

    def new() -> int:
        return sum(all(call is not other for other in before) for call in calls())

    client = subset.connect(fake.address)
    iterator = iter(client.run("run", sampler="d/s", global_batch_size=1).batch_sampler(prefetch=4))
    fake.break_stream_after.append(3)
    others = set(prefetch._living)
    gc.collect()
    before = calls()  # of other tests, which may end meanwhile
    gc.disable()  # finalized by the dying interpreter, it may wait for a thread that is gone
    try:
        for _ in range(5):
            next(iterator)
        assert new() == 1, "the stream under way, not the one that broke"
        (reader,) = set(prefetch._living) - others
        reader.close()
        reader.join(60)
        assert new() == 0
    finally:
        gc.enable()
    client.close()
