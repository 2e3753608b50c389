"""The Python client gives the batches that the C++ client gives, and that it gave before.

SEQUENCE names the program of sequence.cc; else the newest one built in the tree is taken.
"""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
from typing import Any, Iterable, List

import numpy as np
import pytest
from conftest import ROOT

import subset
from subset.fallback import uniform_batch
from subset.torch import draw_of

GOLDEN = pathlib.Path(__file__).parent / "golden" / "uniform_epochs.txt"
SAMPLES, SIZE = 53, 7  # the last step is short
LABELS = np.repeat([0, 1, 2], [30, 20, 3])
SAMPLERS = {
    "uniform": {"preset": "uniform"},
    "balanced": {"preset": "class_balanced"},
    "importance": {"preset": "importance", "uniform_floor": 0.2},
}


class Cpp:
    """The C++ client of one run, in a process of its own."""

    def __init__(self, client: subset.Client, run: subset.Run) -> None:
        program = os.environ.get("SEQUENCE")
        if program is None:
            built = sorted(
                ROOT.glob("build/*/bin/client_sequence"), key=lambda p: p.stat().st_mtime
            )
            assert built, "no client_sequence: build it, or say where it is in SEQUENCE"
            program = str(built[-1])
        self._process = subprocess.Popen(
            [program, client.address, run.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __call__(self, epoch: int, *address: object) -> List[str]:
        """What it gives."""
        assert self._process.stdin is not None and self._process.stdout is not None
        print(epoch, *address, file=self._process.stdin, flush=True)
        lines = []
        while (line := self._process.stdout.readline()) != "end\n":
            assert line, f"it ended with {self._process.wait()}"
            lines.append(line.rstrip("\n"))
        return lines

    def __enter__(self) -> "Cpp":
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.communicate()


def python(draws: Iterable[subset.Draw]) -> List[str]:
    """The same form."""
    lines = []
    for draw in draws:
        assert draw.probabilities is not None
        samples = zip(draw.indices, draw.probabilities, draw.weights.astype(np.float64))
        lines.append(
            f"step {draw.step} position {draw.position} padding {draw.padding} of"
            f" {draw.global_samples}:"
            + "".join(" %d/%.17g/%.17g" % sample for sample in samples)
        )
    return lines


def make_run(client: subset.Client, name: str, sampler: str, **settings: Any) -> subset.Run:
    client.ensure_dataset("golden", label=LABELS)
    client.ensure_sampler(f"golden/{sampler}", **SAMPLERS[sampler])
    return client.run(
        name, sampler=f"golden/{sampler}", seed=7, global_batch_size=SIZE, **settings
    )


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("drop_last", [False, True])
def test_both_clients_give_the_same_batches(
    client: subset.Client, name: str, sampler: str, drop_last: bool
) -> None:
    run = make_run(client, name, sampler, drop_last=drop_last)
    with Cpp(client, run) as cpp:
        for epoch in range(3):
            check_epoch(run, epoch, cpp)
            # The next epoch of a sampler that learns depends on what was reported.
            for draw in run.batches(epoch):
                run.report(draw, loss=draw.indices / SAMPLES)
            opened = run.open_epoch(epoch)
            steps = opened.num_steps * SIZE
            if steps < opened.num_positions:
                rest = run.batch(epoch, steps, SIZE)
                run.report(rest, loss=[1.0] * len(rest))
            run.flush(timeout=60)


def check_epoch(run: subset.Run, epoch: int, cpp: Cpp) -> None:
    opened = run.open_epoch(epoch)
    for world_size in (1, 3, 10):  # of ten ranks some have nothing but padding
        for rank in range(world_size):
            lines = cpp(epoch, "share", rank, world_size)
            assert len(lines) == opened.num_steps
            assert lines == python(run.batches(epoch, rank=rank, world_size=world_size))
            batches = run.batch_sampler(rank=rank, world_size=world_size)
            batches.set_epoch(epoch)
            assert lines == python(map(draw_of, batches))
            shares = (
                run.share(epoch, step, rank=rank, world_size=world_size)
                for step in range(opened.num_steps)
            )
            assert lines == python(shares)
    blocks = range(0, opened.num_positions, 5)
    assert cpp(epoch, "positions", 5) == python(run.batch(epoch, first, 5) for first in blocks)


def test_both_clients_lease_the_same_blocks(client: subset.Client, name: str) -> None:
    # Two runs of one seed: an epoch can be leased once only.
    runs = [make_run(client, f"{name}-{i}", "uniform") for i in range(2)]
    with Cpp(client, runs[0]) as cpp:
        lines = cpp(0, "leased", "worker")
    draws = []
    for draw in runs[1].leased_batches(0, worker="worker"):
        runs[1].acknowledge(draw)
        draws.append(draw)
    assert lines == python(draws) and len(lines) == -(-SAMPLES // SIZE)
    audits = [run.replay(0, position=0, size=SAMPLES).acknowledged for run in runs]
    assert audits[0] == audits[1] and {block.worker for block in audits[0]} == {"worker"}


def test_the_batches_are_those_of_the_golden_file(client: subset.Client, name: str) -> None:
    run = make_run(client, name, "uniform")
    golden = GOLDEN.read_text().splitlines()
    assert golden == [line for epoch in range(2) for line in python(run.batches(epoch))]
    with Cpp(client, run) as cpp:
        assert golden == [line for epoch in range(2) for line in cpp(epoch, "share", 0, 1)]


def test_a_state_of_either_client_goes_on_in_the_other(client: subset.Client, name: str) -> None:
    run = make_run(client, name, "uniform")
    steps = run.open_epoch(0).num_steps
    with Cpp(client, run) as cpp:
        for stop in range(steps + 1):
            batches = run.batch_sampler(rank=0, world_size=1, prefetch=steps)
            given = iter(batches)
            for _ in range(stop):
                next(given)
            state = batches.state_dict()
            # Read there as it is, with any order of keys; then two batches on, and back again.
            *lines, after = cpp(0, "resume", 0, json.dumps(state))
            assert not lines and json.loads(after) == state
            *lines, after = cpp(0, "resume", 1, json.dumps(state, indent=None, sort_keys=True))
            epoch = state["epoch"]
            assert lines == python([run.share(epoch, state["position"] // SIZE)])
            resumed = run.batch_sampler(rank=0, world_size=1)
            resumed.load_state_dict(json.loads(after))
            assert resumed.state_dict() == json.loads(after)
            resumed.set_epoch(resumed.epoch)
            following = draw_of(next(iter(resumed)))
            expected = (0, stop + 1) if stop + 1 < steps else (1, (stop + 1) % steps)
            assert (following.epoch, following.step) == expected


@pytest.mark.parametrize("size", [SIZE, SAMPLES])
def test_both_clients_draw_the_same_uniform_batches(
    client: subset.Client, name: str, size: int
) -> None:
    client.ensure_dataset("golden", label=LABELS)
    client.ensure_sampler("golden/uniform", **SAMPLERS["uniform"])
    run = client.run(name, sampler="golden/uniform", seed=2**64 - 1, global_batch_size=size)
    info = run.info()
    with Cpp(client, run) as cpp:
        for number in range(2):
            epoch = run.open_epoch(number)
            for step in range(epoch.num_steps):
                for rank, world_size in ((0, 1), (1, 3), (9, 10)):
                    reply = uniform_batch(info, epoch, step, rank, world_size)
                    draw = subset.Draw.from_reply(
                        reply, run_uid=info.uid, rank=rank, world_size=world_size
                    )
                    assert cpp(number, "uniform", step, rank, world_size) == python([draw])
