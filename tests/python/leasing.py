"""What the tests of leased delivery share."""

from __future__ import annotations

import time
from typing import Any, Callable, List

import subset
from subset import requests


def make_run(
    client: subset.Client, name: str, *, samples: int = 40, size: int = 10, **definition: Any
) -> subset.Run:
    client.ensure_dataset(name, num_samples=samples)
    client.ensure_sampler(f"{name}/s", **(definition or {"preset": "uniform"}))
    return client.run(name, sampler=f"{name}/s", seed=3, global_batch_size=size)


def other(run: subset.Run) -> subset.Run:
    """The same run as another process would hold it: nothing in common but the server."""
    client = subset.connect(run._connection.address)
    return client.run(run.name, sampler=run.sampler, seed=run.seed)


def take_and_die(run: subset.Run, worker: str, lease_time: float, epoch: int = 0) -> subset.Draw:
    """A block of a worker that nobody renews any more."""
    run.open_epoch(epoch)
    request = requests.block(run.uid, epoch, worker, 0, lease_time)
    reply = run._connection.call(run._connection.get_batch, request)
    return subset.Draw.from_reply(reply, run_uid=run.uid, worker=worker)


def acknowledgers(run: subset.Run, epoch: int = 0) -> List[str]:
    """By position, who acknowledged it: once each, or this fails."""
    slots = run.open_epoch(epoch).num_positions
    names = [""] * slots
    for block in run.replay(epoch, position=0, size=slots).acknowledged:
        for position in range(block.position, block.position + block.num_positions):
            assert not names[position], (position, names[position], block.worker)
            names[position] = block.worker
    return names


def until(true: Callable[[], bool], seconds: float = 60.0) -> None:
    """Asks until it is true."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "not in time"
        time.sleep(0.01)
