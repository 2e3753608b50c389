"""The same batches at any world size and across restarts of a real server."""

from __future__ import annotations

import pathlib
import signal
import threading
from typing import List

import numpy as np
import pytest
from real_runs import SAMPLES, losses, make_run, train_epoch
from server_process import ServerProcess

import subset
from subset.torch import draw_of


def test_the_same_global_batches_at_any_world_size(client: subset.Client, name: str) -> None:
    run = make_run(client, name, preset="importance")
    alone = list(run.batches(0))
    for world_size in (2, 3, 7):
        ranks = [list(run.batches(0, rank=r, world_size=world_size)) for r in range(world_size)]
        assert {len(draws) for draws in ranks} == {len(alone)}
        for step, whole in enumerate(alone):
            parts = [draws[step] for draws in ranks]
            together = np.concatenate([p.indices[: len(p) - p.padding] for p in parts])
            assert together.tolist() == whole.indices.tolist()
            weighted = np.mean([p.mean(losses(p.indices)) for p in parts])
            assert weighted == pytest.approx(whole.mean(losses(whole.indices)), rel=1e-5)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_server_that_comes_back_gives_the_same_batches(
    subsetd: str,
    tmp_path: pathlib.Path,
    name: str,
    number: signal.Signals,
    request: pytest.FixtureRequest,
) -> None:
    address = f"unix:{tmp_path}/socket"

    def start() -> ServerProcess:
        process = ServerProcess(subsetd, str(tmp_path / "data"), [f"--listen={address}"])
        request.addfinalizer(process.kill)  # whatever the test finds
        return process

    server = start()
    with subset.connect(address) as client:
        run = make_run(client, name, preset="importance", size=16)
        expected = [d.indices.tolist() for d in train_epoch(run, 0)]
        steps = len(expected)
        batches = run.batch_sampler(prefetch=2)
        batches.set_epoch(1)
        given = []
        restarted: List[ServerProcess] = []
        thread = None
        for step, indices in enumerate(batches):
            draw = draw_of(indices)
            given.append(draw)
            run.report(draw, loss=losses(draw.indices))
            if step == 5:
                server.kill(number)
                thread = threading.Timer(0.3, lambda: restarted.append(start()))
                thread.start()
                request.addfinalizer(thread.join)
        assert thread is not None
        thread.join()
        run.flush(timeout=60)
        assert [d.step for d in given] == list(range(steps))
        assert list(run.batches(1)) == given
        assert [d.indices.tolist() for d in run.batches(0)] == expected
        assert run.open_epoch(1).acknowledged_positions == SAMPLES  # each once, none lost
        assert run.stats()["refused_samples"] == 0
        assert run.stats()["retries"] > 0
    restarted[0].stop()
