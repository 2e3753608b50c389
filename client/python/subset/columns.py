"""Columns of a dataset: from whatever holds labels to little-endian bytes, and a fingerprint."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Dict, Iterator, Mapping, Tuple

import numpy as np
import numpy.typing as npt

CHUNK_BYTES = 1 << 20  # the most one message may carry

# numpy's name of the little-endian type, by ColumnType's number.
_DTYPES: Dict[int, str] = {1: "<u1", 2: "<u2", 3: "<u4", 4: "<i8", 5: "<f4", 6: "<f8"}
_NUMBERS: Dict[str, int] = {name: number for number, name in _DTYPES.items()}
_TYPE_NAMES = {1: "uint8", 2: "uint16", 3: "uint32", 4: "int64", 5: "float32", 6: "float64"}

# What types the server does not have become, without losing a value.
_WIDENED = {"|b1": "<u1", "|i1": "<i8", "<i2": "<i8", "<i4": "<i8", "<f2": "<f4"}


def type_name(number: int) -> str:
    """numpy's name of a ColumnType."""
    return _TYPE_NAMES.get(number, "unknown")


@dataclass(frozen=True)
class ColumnData:
    """One column, ready to send."""

    name: str
    type_number: int
    values: npt.NDArray[Any]  # one dimension, contiguous, little-endian
    sha256: str

    def chunks(self) -> Iterator[Tuple[int, bytes]]:
        """(first sample, bytes) of at most CHUNK_BYTES each, in order."""
        step = CHUNK_BYTES // self.values.itemsize
        for first in range(0, len(self.values), step):
            yield first, self.values[first : first + step].tobytes()


def column(name: str, source: Any) -> ColumnData:
    """The column made of a numpy array, a tensor or a sequence of numbers.

    A sequence of integers takes the smallest type that holds it; arrays keep theirs where the
    server has it. Raises ValueError, naming the column, for anything that is not one number per
    sample, for infinities and for integers that no type holds.
    """
    values = _as_array(name, source)
    values = np.ascontiguousarray(values)
    number = _NUMBERS[values.dtype.str.replace("|", "<")]
    if number >= 5 and np.isinf(values).any():
        first = int(np.flatnonzero(np.isinf(values))[0])
        raise ValueError(f"column {name!r}: value {values[first]} at sample {first} is infinite")
    return ColumnData(name, number, values, hashlib.sha256(values.data).hexdigest())


def fingerprint(num_samples: int, columns: Mapping[str, Tuple[int, str]]) -> str:
    """The dataset's fingerprint, from (type number, sha256) of each column by name."""
    text = f"num_samples {num_samples}\n" + "".join(
        f"{name} {columns[name][0]} {columns[name][1]}\n"
        for name in sorted(columns, key=lambda n: n.encode())
    )
    return hashlib.sha256(text.encode()).hexdigest()


def _as_array(name: str, source: Any) -> npt.NDArray[Any]:
    chosen = hasattr(source, "dtype")  # somebody decided on a type; a list has none
    if hasattr(source, "detach"):  # a torch tensor
        source = source.detach().cpu()
        source = (
            source
            if not source.is_floating_point() or source.element_size() > 2
            else source.float()
        ).numpy()
    try:
        values = np.asarray(source)
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(f"column {name!r}: {error}") from error
    if values.ndim != 1:
        raise ValueError(
            f"column {name!r} has shape {values.shape}: one value per sample is needed"
        )
    if values.dtype.kind not in "buif":
        raise ValueError(f"column {name!r} holds {values.dtype}, not numbers")
    if values.dtype.kind in "ui" and not chosen:
        return _smallest(name, values)
    little = values.dtype.newbyteorder("<")
    if little.str == "<u8":
        return _smallest(name, values)
    if little.str.replace("|", "<") in _NUMBERS:
        return values.astype(little, copy=False)
    if little.str in _WIDENED:
        return values.astype(_WIDENED[little.str])
    raise ValueError(f"column {name!r} holds {values.dtype}, which has no exact counterpart")


def _smallest(name: str, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if values.size == 0:
        return values.astype("<u1")
    low, high = int(values.min()), int(values.max())
    if high >= 2**63:
        raise ValueError(f"column {name!r}: value {high} is above 2^63 - 1")
    for bound, dtype in ((2**8, "<u1"), (2**16, "<u2"), (2**32, "<u4")):
        if low >= 0 and high < bound:
            return values.astype(dtype)
    return values.astype("<i8")
