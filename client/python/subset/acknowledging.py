"""Acknowledges positions without values, or says that they failed."""

from __future__ import annotations

from typing import Any, List, Optional, Sequence

import numpy as np
import numpy.typing as npt

from subset.connection import Connection
from subset.draw import Draw
from subset.resources import Acknowledged, acknowledged_from

_MAX_ENTRIES = 1_024  # of one message


def places(
    draw: Draw, reason: str, samples: Optional[Sequence[int]]
) -> npt.NDArray[np.bool_]:
    """Which samples of a leased draw failed; all without `samples`. ValueError for misuse."""
    if draw.lease is None:
        raise ValueError("the draw has no lease: only a leased one can be delivered again")
    if not 1 <= len(reason.encode()) <= 1_024:
        raise ValueError(f"reason has {len(reason.encode())} bytes, outside [1, 1024]")
    if samples is None:
        return np.ones(len(draw), bool)
    failed = np.zeros(len(draw), bool)
    for place in samples:
        if not 0 <= place < len(draw):
            raise ValueError(f"sample {place} is outside the draw's [0, {len(draw)})")
        failed[place] = True
    if not failed.any():
        raise ValueError("samples is empty: leave it out for the whole draw")
    return failed


def acknowledge(
    connection: Connection,
    draw: Draw,
    *,
    leave_out: Optional[npt.NDArray[np.bool_]] = None,
    failed: str = "",
) -> Acknowledged:
    """Acknowledges a draw but for its padding and `leave_out`; or with `failed`, says so of them.

    Waits until it is on the server's disk, for the patience of training where that is away.
    """
    from subset.v1 import training_pb2

    wanted = np.ones(len(draw) - draw.padding, np.int8)
    if leave_out is not None:
        wanted[leave_out[: len(wanted)]] = 0
    # Runs of ones: where it rises and falls.
    edges = np.flatnonzero(np.diff(np.concatenate([[0], wanted, [0]])))
    entries: List[Any] = [
        training_pb2.Acknowledgement(
            epoch=draw.epoch,
            position=draw.position + int(begin),
            num_positions=int(end - begin),
            lease=draw._batch.lease if draw.lease is not None else None,
            worker=draw.worker,
            attempt=draw.attempt,
            generation=draw.generation,
            failed=failed,
        )
        for begin, end in zip(edges[::2], edges[1::2])
    ]
    outcome = Acknowledged(0, 0, 0, duplicate=True)
    for first in range(0, len(entries), _MAX_ENTRIES):
        reply = connection.call(
            connection.training.Acknowledge,
            training_pb2.AcknowledgeRequest(
                run_uid=draw.run_uid, acknowledgements=entries[first : first + _MAX_ENTRIES]
            ),
            patience=connection.retry.patience,
        )
        part = acknowledged_from(reply)
        outcome = Acknowledged(
            outcome.acknowledged_positions + part.acknowledged_positions,
            outcome.failed_positions + part.failed_positions,
            outcome.parked_positions + part.parked_positions,
            outcome.duplicate and part.duplicate,
        )
    return outcome
