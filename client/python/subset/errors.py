"""Everything this package raises, as one tree; misuse that needs no server is a ValueError."""

from __future__ import annotations

from typing import Dict, Optional, Type


class SubsetError(Exception):
    """The server, or the way to it, refused a call.

    `reason` is a fixed word for programs (such as "EPOCH_GONE"), `field` the path of the value that
    was wrong (such as "batch_size"); each is None where the server named none.
    """

    def __init__(
        self, message: str, *, reason: Optional[str] = None, field: Optional[str] = None
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.field = field

    def __reduce__(self) -> "tuple[object, ...]":
        return _rebuild, (type(self), str(self), self.reason, self.field)


def _rebuild(
    kind: Type[SubsetError], message: str, reason: Optional[str], field: Optional[str]
) -> SubsetError:
    return kind(message, reason=reason, field=field)


class InvalidArgument(SubsetError):
    """A value is wrong by itself; the message gives field, value and bound."""


class OutOfRange(SubsetError):
    """Past the end of the epoch."""


class NotFound(SubsetError):
    """No dataset, column, sampler or run of that name."""


class AlreadyExists(SubsetError):
    """The name is taken by something else; the message gives both."""


class FailedPrecondition(SubsetError):
    """The state forbids it; `reason` says how: EPOCH_GONE, NOTHING_TO_DRAW, SEQ_EXPIRED ..."""


class GenerationPassed(FailedPrecondition):
    """Drawn before a rollback of the run: load the checkpoint, draw anew."""


class CheckpointGone(FailedPrecondition):
    """The run does not know the checkpoint, or forgot it with the epochs that it needs."""


class LeaseExpired(FailedPrecondition):
    """The lease ended and its block is with another worker now, who will acknowledge it."""


class LeaseUnknown(NotFound):
    """The server never granted such a lease."""


class ResourceExhausted(SubsetError):
    """Out of memory, disk or quota."""


class Unavailable(SubsetError):
    """The server was not reached within the patience given; the message names the address."""


class DeadlineExceeded(SubsetError):
    """No answer in time."""


class DataLoss(SubsetError):
    """Stored bytes are wrong."""


class PermissionDenied(SubsetError):
    """Not allowed, or not authenticated."""


class LeaseForeign(PermissionDenied):
    """The lease is of another run or worker."""


class Cancelled(SubsetError):
    """Ended by this side, such as by closing the client."""


class Internal(SubsetError):
    """A fault of the server or of this package."""


class SamplesParked(SubsetError):
    """All of an epoch is acknowledged but for blocks that failed too often: see Run.leases()."""


class ForkedProcess(SubsetError):
    """A client was used in a process forked from the one that made it, such as a loader worker."""


# By the name of the gRPC status code.
BY_CODE: Dict[str, Type[SubsetError]] = {
    "INVALID_ARGUMENT": InvalidArgument,
    "OUT_OF_RANGE": OutOfRange,
    "NOT_FOUND": NotFound,
    "ALREADY_EXISTS": AlreadyExists,
    "FAILED_PRECONDITION": FailedPrecondition,
    "RESOURCE_EXHAUSTED": ResourceExhausted,
    "UNAVAILABLE": Unavailable,
    "DEADLINE_EXCEEDED": DeadlineExceeded,
    "DATA_LOSS": DataLoss,
    "PERMISSION_DENIED": PermissionDenied,
    "UNAUTHENTICATED": PermissionDenied,
    "CANCELLED": Cancelled,
}

# By the server's reason, where that says more than the code.
BY_REASON: Dict[str, Type[SubsetError]] = {
    "CHECKPOINT_GONE": CheckpointGone,
    "GENERATION_PASSED": GenerationPassed,
    "LEASE_EXPIRED": LeaseExpired,
    "LEASE_FOREIGN": LeaseForeign,
    "LEASE_UNKNOWN": LeaseUnknown,
}
