"""Subset: which samples a training job sees next, and what they cost it.

    import subset
    client = subset.connect("localhost:50051")

Imports neither grpc nor torch before they are needed.
"""

from subset.client import Client, connect
from subset.batch_sampler import BatchSampler
from subset.draw import Draw
from subset.errors import (
    AlreadyExists,
    Cancelled,
    DataLoss,
    DeadlineExceeded,
    FailedPrecondition,
    ForkedProcess,
    Internal,
    InvalidArgument,
    NotFound,
    OutOfRange,
    PermissionDenied,
    ResourceExhausted,
    SubsetError,
    Unavailable,
)
from subset.local import local
from subset.reporter import UnusableValue
from subset.resources import Column, Dataset, Epoch, Preset, PresetParameter, RunInfo, Sampler
from subset.resources import ScoreVersion
from subset.retry import Retry
from subset.run import Run

__all__ = [
    "AlreadyExists",
    "BatchSampler",
    "Cancelled",
    "Client",
    "Column",
    "DataLoss",
    "Dataset",
    "DeadlineExceeded",
    "Draw",
    "Epoch",
    "FailedPrecondition",
    "ForkedProcess",
    "Internal",
    "InvalidArgument",
    "NotFound",
    "OutOfRange",
    "PermissionDenied",
    "Preset",
    "PresetParameter",
    "ResourceExhausted",
    "Retry",
    "Run",
    "RunInfo",
    "Sampler",
    "ScoreVersion",
    "SubsetError",
    "Unavailable",
    "UnusableValue",
    "connect",
    "local",
]

__version__ = "0.1.0"
