"""The messages that draw batches and open epochs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Iterator, Optional

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_PROVIDE_POSITIONS = 1 << 16  # of one message


def duration(seconds: float) -> Any:
    """A google.protobuf.Duration."""
    from google.protobuf.duration_pb2 import Duration

    result = Duration()
    result.FromNanoseconds(round(seconds * 1e9))
    return result


def _check_numbers(bits: int, **numbers: int) -> None:
    """Raises ValueError for what a field of so many bits cannot hold; its own bounds are the server's."""
    for name, number in numbers.items():
        if not 0 <= number < 1 << bits:
            raise ValueError(f"{name} {number} is outside [0, 2^{bits})")


def open_epoch(uid: int, epoch: int, now: bool) -> Any:
    """OpenEpochRequest."""
    from subset.v1 import training_pb2

    _check_numbers(64, epoch=epoch)
    return training_pb2.OpenEpochRequest(run_uid=uid, epoch=epoch, now=now)


def _batch(
    uid: int, epoch: int, *, probabilities: bool, replay: bool = False, **address: Any
) -> Any:
    from subset.v1 import training_pb2

    _check_numbers(64, epoch=epoch)
    return training_pb2.GetBatchRequest(
        run_uid=uid, epoch=epoch, omit_probabilities=not probabilities, replay=replay, **address
    )


def share(
    uid: int,
    epoch: int,
    step: int,
    rank: int,
    world_size: int,
    *,
    probabilities: bool = True,
    replay: bool = False,
    size: int = 1,
) -> Any:
    """GetBatchRequest for the share of `rank` in one global batch; in a stream, in `size` of them."""
    _check_numbers(64, step=step)
    _check_numbers(32, rank=rank, world_size=world_size)
    address = {"step": step, "rank": rank, "world_size": world_size}
    return _batch(
        uid, epoch, probabilities=probabilities, replay=replay, assigned=address, num_batches=size
    )


def positions(
    uid: int,
    epoch: int,
    position: int,
    size: int,
    *,
    probabilities: bool = True,
    replay: bool = False,
) -> Any:
    """GetBatchRequest for plain positions."""
    _check_numbers(64, position=position)
    _check_numbers(32, size=size)
    address = {"position": position, "batch_size": size}
    return _batch(uid, epoch, probabilities=probabilities, replay=replay, positions=address)


def block(
    uid: int,
    epoch: int,
    worker: str,
    size: int,
    lease_time: float,
    *,
    probabilities: bool = True,
) -> Any:
    """GetBatchRequest for the next block that nobody has; size 0: the global batch size."""
    address = {"worker": worker, "batch_size": size, "lease_time": duration(lease_time)}
    return _batch(uid, epoch, probabilities=probabilities, leased=address)


def sample_indices(values: Any) -> "npt.NDArray[np.uint32]":
    """One index for each position of an epoch, of an array, a tensor or a list.

    Raises ValueError for what is no index: nothing is rounded, wrapped, or taken for 0 and 1.
    """
    import numpy as np

    if hasattr(values, "detach"):  # a torch tensor
        values = values.detach().cpu()
    given = np.asarray(values)
    if given.ndim != 1 or not len(given):
        raise ValueError(f"indices of shape {given.shape}: one number for each position")
    if given.dtype.kind not in "iu":
        raise ValueError(f"indices are {given.dtype}, not integers (of a mask: np.flatnonzero(mask))")
    outside = np.flatnonzero((given < 0) | (given >= 1 << 32))
    if len(outside):
        first = outside[0]
        raise ValueError(f"indices[{first}] is {given[first]}, outside [0, {1 << 32})")
    return np.ascontiguousarray(given, dtype="<u4")


def provided_epoch(
    uid: int,
    epoch: int,
    indices: "npt.NDArray[np.uint32]",
    expected: "Optional[npt.NDArray[np.float64]]",
) -> Iterator[Any]:
    """The messages of one ProvideEpoch."""
    from subset.v1 import training_pb2

    _check_numbers(64, epoch=epoch)  # not in the midst of the stream, where an error is lost
    message = training_pb2.ProvideEpochRequest
    header = message.Header(
        run_uid=uid,
        epoch=epoch,
        num_positions=len(indices),
        has_expected=expected is not None,
    )

    def messages() -> Iterator[Any]:
        yield message(header=header)
        for first in range(0, len(indices), _PROVIDE_POSITIONS):
            part = slice(first, first + _PROVIDE_POSITIONS)
            yield message(
                chunk=message.Chunk(
                    first_position=first,
                    indices=indices[part].tobytes(),
                    expected=b"" if expected is None else expected[part].tobytes(),
                )
            )

    return messages()
