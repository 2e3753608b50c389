"""Subset: which samples a training job sees next, and what they cost it.

    import subset
    client = subset.connect("localhost:50051")

Imports neither grpc nor torch before they are needed.
"""

from subset.client import Client, connect
from subset.batch_sampler import BatchSampler
from subset.columns import LabelSets
from subset.draw import Draw
from subset.errors import (
    AlreadyExists,
    Cancelled,
    CheckpointGone,
    DataLoss,
    DeadlineExceeded,
    FailedPrecondition,
    ForkedProcess,
    GenerationPassed,
    Internal,
    InvalidArgument,
    LeaseExpired,
    LeaseForeign,
    LeaseUnknown,
    NotFound,
    OutOfRange,
    PermissionDenied,
    ResourceExhausted,
    SamplesParked,
    SubsetError,
    Unavailable,
)
from subset.local import local
from subset.leased import LeasedBatches, LeasedBatchSampler
from subset.report import UnusableValue
from subset.resources import Acknowledged, AcknowledgedBlock, Checkpoint, Column, Dataset, Epoch
from subset.resources import Lease, LeasedBlock, Leases, ParkedBlock, Preset, PresetParameter
from subset.resources import RolledBack, RunInfo, Sampler, ScoreVersion
from subset.retry import Retry
from subset.run import Run

__all__ = [
    "Acknowledged",
    "AcknowledgedBlock",
    "AlreadyExists",
    "BatchSampler",
    "Cancelled",
    "Checkpoint",
    "CheckpointGone",
    "Client",
    "Column",
    "DataLoss",
    "Dataset",
    "DeadlineExceeded",
    "Draw",
    "Epoch",
    "FailedPrecondition",
    "ForkedProcess",
    "GenerationPassed",
    "Internal",
    "InvalidArgument",
    "LabelSets",
    "Lease",
    "LeaseExpired",
    "LeaseForeign",
    "LeaseUnknown",
    "LeasedBatchSampler",
    "LeasedBatches",
    "LeasedBlock",
    "Leases",
    "NotFound",
    "OutOfRange",
    "ParkedBlock",
    "PermissionDenied",
    "Preset",
    "PresetParameter",
    "ResourceExhausted",
    "Retry",
    "RolledBack",
    "Run",
    "RunInfo",
    "Sampler",
    "SamplesParked",
    "ScoreVersion",
    "SubsetError",
    "Unavailable",
    "UnusableValue",
    "connect",
    "local",
]

__version__ = "0.1.0"
