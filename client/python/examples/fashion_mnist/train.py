"""One training worker: a small CNN on the batches that a sampler chooses.

Writes one JSON object per line to stdout: {"event": "step", ...} now and then, {"event": "epoch",
...} after each epoch, and from rank 0 {"event": "result", ...} at the end. `run.py` starts one per
rank.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from typing import Any, Iterator, List

import numpy as np
import subset
import torch
import torch.distributed
import torch.nn.functional as F
from data import FashionMnist
from subset.torch import IndexedDataset
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader

EVENT_SECONDS = 0.2


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--address", required=True, help="of the server")
    parser.add_argument("--sampler", required=True, help="DATASET/SAMPLER")
    parser.add_argument("--run", required=True, help="name of the run")
    parser.add_argument("--rank", type=int, default=0)
    parser.add_argument("--world-size", type=int, default=1)
    parser.add_argument("--rendezvous", default="", help="a file that the ranks share")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--samples", type=int, default=60_000, help="the first of the training set")
    parser.add_argument("--global-batch-size", type=int, default=128)
    parser.add_argument("--lr", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def make_model() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 12, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(12, 24, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(24 * 7 * 7, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
    ).to(memory_format=torch.channels_last)


def as_input(images: torch.Tensor) -> torch.Tensor:
    """Bytes to the scale and layout that the model wants."""
    scaled = (images.float() - 72.9) / 90.0
    return scaled.contiguous(memory_format=torch.channels_last)


class Timed:
    """A batch sampler that notes how long each batch was waited for."""

    def __init__(self, batches: subset.BatchSampler) -> None:
        self.batches = batches
        self.seconds: List[float] = []

    def __iter__(self) -> Iterator[List[int]]:
        iterator = iter(self.batches)
        while True:
            began = time.perf_counter()
            indices = next(iterator, None)
            if indices is None:
                return
            self.seconds.append(time.perf_counter() - began)
            yield indices


def accuracy(model: nn.Module) -> float:
    test = FashionMnist("t10k", 10_000)
    right = 0
    model.eval()
    with torch.no_grad():
        for first in range(0, len(test), 500):
            guess = model(as_input(test.images[first : first + 500])).argmax(1)
            right += int((guess == test.labels[first : first + 500]).sum())
    return right / len(test)


def emit(event: str, **values: Any) -> None:
    print(json.dumps({"event": event, **values}), flush=True)


def main() -> None:
    options = parse()
    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    torch.distributed.init_process_group(
        "gloo",
        init_method=f"file://{options.rendezvous}" if options.rendezvous else "env://",
        rank=options.rank,
        world_size=options.world_size,
    )
    net = make_model()
    model = DistributedDataParallel(net)
    optimizer = torch.optim.SGD(model.parameters(), lr=options.lr, momentum=0.9, weight_decay=5e-4)

    client = subset.connect(options.address)
    run = client.run(
        options.run,
        sampler=options.sampler,
        seed=options.seed,
        global_batch_size=options.global_batch_size,
    )
    batches = run.batch_sampler()
    timed = Timed(batches)
    loader = DataLoader(IndexedDataset(FashionMnist("train", options.samples)), batch_sampler=timed)
    used = steps_done = 0
    spoke = 0.0
    for epoch in range(options.epochs):
        batches.set_epoch(epoch)
        steps = len(batches)
        used += run.open_epoch(epoch).num_positions
        total = 0.0
        for step, ((images, labels), draw) in enumerate(loader):
            # Pruned epochs have fewer steps: the schedule follows the share of training done.
            done = (epoch + step / steps) / options.epochs
            warm = min(1.0, 10 * done + 0.05)
            for group in optimizer.param_groups:
                group["lr"] = options.lr * warm * 0.5 * (1 + math.cos(math.pi * done))
            loss = F.cross_entropy(model(as_input(images)), labels, reduction="none")
            mean = draw.mean(loss)
            optimizer.zero_grad(set_to_none=True)
            mean.backward()
            optimizer.step()
            run.report(draw, loss=loss)
            total += float(mean)
            steps_done += 1
            if time.monotonic() - spoke > EVENT_SECONDS:
                spoke = time.monotonic()
                emit(
                    "step",
                    rank=options.rank,
                    epoch=epoch,
                    step=step + 1,
                    steps=steps,
                    loss=float(mean),
                    wait=timed.seconds[-1],
                )
        run.flush(durable=True, timeout=60)
        emit("epoch", rank=options.rank, epoch=epoch, steps=steps, loss=total / steps)
    stats = run.stats()
    assert stats["dropped_samples"] == stats["refused_samples"] == 0, stats
    if options.rank == 0:
        emit(
            "result",
            samples_used=used,
            share=used / (options.epochs * options.samples),
            batches=steps_done,
            test_accuracy=accuracy(net),
            wait_p50=float(np.percentile(timed.seconds, 50)),
            wait_p99=float(np.percentile(timed.seconds, 99)),
        )
    client.close()
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
