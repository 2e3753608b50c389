"""A real server that goes away and comes back."""

from __future__ import annotations

import pathlib
from typing import Any, List

import numpy as np
from server_process import ServerProcess

import subset
from subset.torch import draw_of


SAMPLES, SIZE = 600, 20
STEPS = 30


class Away:
    """A server on a unix socket that goes and comes back with its data."""

    def __init__(self, subsetd: str, folder: pathlib.Path) -> None:
        self._subsetd = subsetd
        self._folder = folder
        self.address = f"unix:{folder}/socket"
        self.process: Any = None
        self.come_back()

    def come_back(self) -> None:
        self.process = ServerProcess(
            self._subsetd, str(self._folder / "data"), [f"--listen={self.address}"]
        )

    def go(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process = None


def make_run(client: subset.Client, **definition: Any) -> subset.Run:
    client.ensure_dataset("d", label=np.arange(SAMPLES) % 3)
    client.ensure_sampler("d/s", **(definition or {"preset": "importance"}))
    return client.run("r", sampler="d/s", seed=3, global_batch_size=SIZE)


def steps(batches: Any) -> List[subset.Draw]:
    return [draw_of(indices) for indices in batches]
