"""Training across crashes: what the surviving model was trained on, and who acknowledged it."""

from __future__ import annotations

import json
import pathlib
import signal
import subprocess
import sys
import textwrap
from typing import List

import pytest
import torch
from conftest import CLIENT
from leasing import acknowledgers, make_run
from server_process import ServerProcess

import subset

EXAMPLE = CLIENT / "examples" / "exactly_once.py"
EPOCHS, SAMPLES = 3, 400

# Runs the example again and again, each time in a process of its own that kills itself in the Nth
# call of one function, before or after it; the last one lives. (They are forked from one that has
# imported torch, which takes longer than all else here.)
DRIVER = """
    import importlib, json, os, runpy, signal, sys
    import subset.torch, torch

    def arrange_death(where, when, number):
        module, _, name = where.rpartition(".")
        module, *parts = module.split(":")
        owner = importlib.import_module(module)
        for part in parts:
            owner = getattr(owner, part)
        original, calls = getattr(owner, name), [0]

        def dying(*a, **k):
            calls[0] += 1
            if when == "before" and calls[0] == number:
                os.kill(os.getpid(), signal.SIGKILL)
            result = original(*a, **k)
            if when == "after" and calls[0] == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        setattr(owner, name, dying)

    deaths, *sys.argv = sys.argv[1:]
    for death in [*json.loads(deaths), None]:
        child = os.fork()
        if child == 0:
            if death:
                arrange_death(*death)
            runpy.run_path(sys.argv[0], run_name="__main__")
            break
        print("ended with", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""

# Each start of the trainer dies at the next of these: in steps, and in every gap of a checkpoint.
DEATHS = [
    ("subset.run:Run.report", "before", 1),  # in the first step, after the commit of "start"
    ("subset.run:Run.report", "after", 5),  # before any checkpoint of a step
    ("torch.save", "before", 2),  # flushed, not saved
    ("os.replace", "after", 3),  # saved, not committed
    ("subset.run:Run.commit", "after", 2),  # committed
    ("subset.run:Run.report", "before", 23),  # amid the epoch
    ("subset.run:Run.rollback", "before", 1),  # while it comes back
    ("subset.run:Run.rollback", "after", 1),
    ("subset.run:Run.report", "after", 20),
]


@pytest.mark.parametrize("delivery", ["leased", "assigned"])
def test_the_surviving_model_was_trained_on_each_sample_once_an_epoch(
    server: ServerProcess, client: subset.Client, tmp_path: pathlib.Path, delivery: str
) -> None:
    script, folder = tmp_path / "driver.py", tmp_path / "checkpoints"
    script.write_text(textwrap.dedent(DRIVER))
    folder.mkdir()
    arguments = [json.dumps(DEATHS), str(EXAMPLE), server.grpc_address, str(folder), delivery]
    done = subprocess.run(
        [sys.executable, str(script), *arguments],
        check=True,
        timeout=800,
        stdout=subprocess.PIPE,
        text=True,
    )
    ends = [line for line in done.stdout.splitlines() if line.startswith("ended with")]
    assert ends == [f"ended with {-signal.SIGKILL}"] * len(DEATHS) + ["ended with 0"]
    assert f"every sample was seen [{EPOCHS}] times" in done.stdout
    state = torch.load(folder / f"epoch-{EPOCHS - 1}-end.pt")
    assert state["model"]["times_seen"].tolist() == [EPOCHS] * SAMPLES
    info = client.describe_run(f"exactly-{delivery}")
    assert info.generation == len(DEATHS) - 1  # one died before it rolled back
    assert [e.acknowledged_positions for e in info.epochs] == [SAMPLES] * EPOCHS


WORKER = """
    import sys, subset

    address, name, worker = sys.argv[1:]
    run = subset.connect(address).run(name, sampler=name + "/s", seed=3)
    for draw in run.leased_batches(0, worker=worker, lease_time=5.0):
        print(draw.position, draw.attempt, flush=True)
        if not sys.stdin.readline():  # a step of training, as long as the test wants
            break
        run.report(draw)
        run.flush()
"""


def test_a_killed_worker_costs_its_own_leases_only(
    client: subset.Client, name: str, tmp_path: pathlib.Path
) -> None:
    samples, size = 100, 10
    run = make_run(client, name, samples=samples, size=size)
    script = tmp_path / "worker.py"
    script.write_text(textwrap.dedent(WORKER))

    def start(worker: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, str(script), client.address, name, worker],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def step(process: "subprocess.Popen[str]", go: str = "go\n") -> List[int]:
        assert process.stdin is not None and process.stdout is not None
        line = process.stdout.readline().split()
        if line and go:
            process.stdin.write(go)
            process.stdin.flush()
        return [int(word) for word in line]

    dead, alive = start("dead"), start("alive")
    try:
        assert [attempt for _, attempt in (step(dead), step(dead))] == [1, 1]
        held, _ = step(dead, go="")
        dead.kill()
        dead.wait()
        given = []
        while block := step(alive):
            given.append(tuple(block))
        assert alive.wait(60) == 0
    finally:
        dead.kill()
        alive.kill()
    assert [position for position, attempt in given if attempt > 1] == [held]
    names = acknowledgers(run)  # each once
    assert (names.count("dead"), names.count("alive")) == (2 * size, samples - 2 * size)
    assert run.open_epoch(0).acknowledged_positions == samples
    assert run.info().epochs[0].leased_positions == 0


@pytest.mark.parametrize("lines", ["save", "resume"])
def test_the_manual_prints_lines_of_the_example(lines: str) -> None:
    manual = (CLIENT.parents[1] / "docs" / "delivery.md").read_text()
    example = EXAMPLE.read_text()
    begin = example.index(f"def {lines}(")
    body = example[begin : example.index("\n\n\n", begin)]
    assert body in manual
