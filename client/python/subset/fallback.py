"""Uniform batches drawn here while the server is away."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Optional

import numpy as np

from subset.connection import Connection
from subset.prefetch import Prefetch
from subset.resources import Epoch, RunInfo

_PURPOSE = 0x7375627365740001  # keeps these draws apart from other uses of the run's seed


def uniform_indices(seed: int, epoch: int, step: int, num_samples: int, total: int) -> List[int]:
    """The samples of a uniform global batch of `total`: a function of the arguments.

    The C++ client gives the same. Bits are the words w_0, w_1, ... of Philox4x64-10 (as numpy's
    random_raw), with the key (seed, 0x7375627365740001) and for words 4b .. 4b+3 the counter
    (b + 1, 0, step, epoch).

    Where total <= num_samples it is a Fisher-Yates shuffle of 0 .. num_samples-1 cut off after
    `total`: for i = 0, 1, ... swap places i and i + floor(w_i (num_samples - i) / 2^64), and give
    place i. So no sample comes twice. Else it is floor(w_i num_samples / 2^64). Each is uniform but
    for num_samples / 2^64. O(total).
    """
    bits = np.random.Philox(
        key=np.array([seed, _PURPOSE], np.uint64),
        counter=np.array([0, 0, step, epoch], np.uint64),  # it counts before it draws
    )
    words: List[int] = bits.random_raw(total).tolist()
    if total > num_samples:
        return [word * num_samples >> 64 for word in words]
    moved: Dict[int, int] = {}  # what stands at a place, where that is not its number
    indices = []
    for i, word in enumerate(words):
        other = i + (word * (num_samples - i) >> 64)
        indices.append(moved.get(other, other))
        moved[other] = moved.get(i, i)
    return indices


def uniform_batch(info: RunInfo, epoch: Epoch, step: int, rank: int, world_size: int) -> bytes:
    """A serialized subset.v1.Batch: the share of `rank` in a uniform global batch.

    Every rank has its part of the same one. attempt 0 says that no server gave it.
    """
    from subset.v1 import training_pb2

    first = step * info.global_batch_size
    total = min(info.global_batch_size, epoch.num_positions - first)
    indices = uniform_indices(info.seed, epoch.epoch, step, info.num_samples, total)
    begin, end = rank * total // world_size, (rank + 1) * total // world_size
    padding = int(begin == end)
    width = 4 if info.num_samples <= 2**32 else 8
    batch = training_pb2.Batch(
        epoch=epoch.epoch,
        position=first + begin,
        step=step,
        index_width=width,
        indices=np.array(indices[begin : end + padding], f"<u{width}").tobytes(),
        probability=1.0 / info.num_samples,
        weight=0.0 if padding else 1.0,
        probability_kind=training_pb2.PROBABILITY_KIND_PER_DRAW,
        unbiased_over=training_pb2.UNBIASED_OVER_NOTHING,
        padding=padding,
        global_samples=total,
    )
    payload: bytes = batch.SerializeToString()
    return payload


def restriction(spec: Any) -> Optional[str]:
    """What in a SamplerSpec may leave samples out altogether; None where nothing does."""
    if len(spec.eligible.all):
        return "eligible"
    kinds = type(spec.proportion)
    return "proportion EXPLICIT" if spec.proportion.kind == kinds.EXPLICIT else None


def check_unrestricted(connection: Connection, sampler: str) -> None:
    """Raises ValueError where the sampler leaves samples out: uniform batches would not."""
    from subset.v1 import sampler_pb2

    request = sampler_pb2.GetSamplerRequest(name=sampler)
    limit = restriction(connection.call(connection.samplers.GetSampler, request).spec)
    if limit:
        raise ValueError(
            f'on_outage "uniform" would draw from all samples, and sampler {sampler!r} has {limit},'
            " which leaves some out"
        )


class Fallback:
    """Decides, some steps at a time, whether the server's batches are given or local ones.

    All ranks decide alike, since each asks the others. Not thread-safe.
    """

    def __init__(
        self, num_steps: int, block: int, patience: float, agree: Callable[[bool], bool]
    ) -> None:
        """`block`: steps per decision; `patience`: seconds to wait for the server's batches."""
        self._num_steps = num_steps
        self._block = block
        self._patience = patience
        self._agree = agree
        self._until = 0  # the first step not decided
        self._local = False

    def is_local(self, step: int, prefetch: Prefetch) -> bool:
        """Whether `step`, which is next in `prefetch`, is drawn here; it is then skipped there."""
        if step >= self._until:
            count = max(0, min(self._block, self._num_steps - step))
            # Once away, the server is not waited for: training goes on until it is back.
            arrived = prefetch.wait(count, 0.0 if self._local else self._patience)
            self._local = not self._agree(arrived)
            self._until = step + count
            if self._local:
                prefetch.skip(count)
        return self._local
