"""How much a server that keeps failing is asked."""

from __future__ import annotations

import contextlib
from typing import Any, Callable
from unittest import mock

import numpy as np
import pytest
from fake_server import FakeServer

import subset
from subset import requests


class Training:
    """Steps of 50 ms on a clock that only training and retries move."""

    STEP = 0.05

    def __init__(self) -> None:
        self.seconds = 0.0
        self._jitter = np.random.default_rng(5)

    def retry(self) -> subset.Retry:
        return subset.Retry(
            sleep=self.sleep, clock=lambda: self.seconds, uniform=self._jitter.random
        )

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


def asked(fake: FakeServer, act: Callable[[subset.Run, Training], None]) -> float:
    """Requests sent per second of training."""
    training = Training()
    client = subset.connect(fake.address, retry=training.retry())
    run = client.run("run", sampler="d/s", global_batch_size=1)
    run.open_epoch(0)
    sent, before = [0], fake.requests
    share = requests.share

    def counted(*address: Any, **options: Any) -> Any:
        sent[0] += 1
        return share(*address, **options)

    with contextlib.suppress(subset.Unavailable), mock.patch.object(requests, "share", counted):
        act(run, training)
    # A call's retries are counted there, what a broken stream never read here.
    return max(sent[0], fake.requests - before) / training.seconds


def stream(run: subset.Run, training: Training) -> None:
    for _ in run.batches(0):
        training.sleep(Training.STEP)


def calls(run: subset.Run, training: Training) -> None:
    for step in range(400):
        run.share(0, step)
        training.sleep(Training.STEP)


@pytest.mark.parametrize("act", [stream, calls])
@pytest.mark.parametrize("failing", ["all", "half", "each-2nd", "each-4th", "each-9th", "each-33rd"])
def test_a_server_that_keeps_failing_is_asked_at_most_1_2_times_as_much(
    fake: FakeServer, act: Callable[[subset.Run, Training], None], failing: str
) -> None:
    fake.num_samples = 400
    healthy = asked(fake, act)
    assert healthy == pytest.approx(1 / Training.STEP, rel=0.03)
    luck = np.random.default_rng(7)
    fake.failing = {
        "all": lambda number: True,
        "half": lambda number: luck.random() < 0.5,
        "each-2nd": lambda number: number % 2 == 1,
        "each-4th": lambda number: number % 4 == 3,
        "each-9th": lambda number: number % 9 == 8,
        "each-33rd": lambda number: number % 33 == 32,
    }[failing]
    assert asked(fake, act) < 1.2 * healthy
