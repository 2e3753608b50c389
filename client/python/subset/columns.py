"""Columns of a dataset: from whatever holds labels to little-endian bytes, and a fingerprint."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple

import numpy as np
import numpy.typing as npt

CHUNK_BYTES = 1 << 20  # the most one message may carry

# numpy's name of the little-endian type, by ColumnType's number.
_DTYPES: Dict[int, str] = {1: "<u1", 2: "<u2", 3: "<u4", 4: "<i8", 5: "<f4", 6: "<f8"}
_NUMBERS: Dict[str, int] = {name: number for number, name in _DTYPES.items()}
_TYPE_NAMES = {
    1: "uint8",
    2: "uint16",
    3: "uint32",
    4: "int64",
    5: "float32",
    6: "float64",
    7: "label_set",
}
TYPE_NUMBERS: Dict[str, int] = {name: number for number, name in _TYPE_NAMES.items()}
_LABEL_SET = TYPE_NUMBERS["label_set"]
_MAX_LABELS = 65_536  # of one sample

# What types the server does not have become, without losing a value.
_WIDENED = {"|b1": "<u1", "|i1": "<i8", "<i2": "<i8", "<i4": "<i8", "<f2": "<f4"}


def type_name(number: int) -> str:
    """numpy's name of a ColumnType, or "label_set"."""
    return _TYPE_NAMES.get(number, "unknown")


@dataclass(frozen=True)
class LabelSets:
    """A set of labels per sample: sample i has labels[offsets[i] : offsets[i + 1]]."""

    offsets: Any  # one more than samples, from 0 to len(labels), never falling
    labels: Any  # integers in [0, 2**32)


@dataclass(frozen=True)
class ColumnData:
    """One column, ready to send."""

    name: str
    type_number: int
    values: npt.NDArray[Any]  # one dimension, contiguous, little-endian
    sha256: str
    # Of label sets, where each sample's begins in `values`, and where the last one ends.
    bounds: Optional[npt.NDArray[np.int64]] = None

    @property
    def num_samples(self) -> int:
        return len(self.values) if self.bounds is None else len(self.bounds) - 1

    @property
    def num_labels(self) -> int:
        """Of all label sets together."""
        return 0 if self.bounds is None else len(self.values) - self.num_samples

    def chunks(self) -> Iterator[Tuple[int, bytes]]:
        """(first sample, bytes) of whole samples, at most CHUNK_BYTES each, in order."""
        step = CHUNK_BYTES // self.values.itemsize
        if self.bounds is None:
            for first in range(0, len(self.values), step):
                yield first, self.values[first : first + step].tobytes()
            return
        first = 0
        while first < self.num_samples:
            begin = self.bounds[first]
            end = int(np.searchsorted(self.bounds, begin + step, side="right")) - 1
            yield first, self.values[begin : self.bounds[end]].tobytes()
            first = end


def column(name: str, source: Any) -> ColumnData:
    """The column made of a numpy array, a tensor or a sequence of numbers; or of label sets.

    A sequence of integers takes the smallest type that holds it; arrays keep theirs where the
    server has it. Label sets are a list with a list, set or array of integers per sample, a boolean
    matrix (samples by labels), or LabelSets. Raises ValueError, naming the column, for anything
    else, for infinities and for integers that no type holds.
    """
    sets = _as_label_sets(name, source)
    if sets is not None:
        return _label_sets(name, *sets)
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
            f"column {name!r} has shape {values.shape}: one value per sample is needed, or label"
            " sets: a list of lists, a boolean matrix or LabelSets"
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


def _as_label_sets(
    name: str, source: Any
) -> Optional[Tuple[npt.NDArray[Any], npt.NDArray[Any]]]:
    """Offsets and labels; None where the source is not of label sets."""
    if isinstance(source, LabelSets):
        return _integers(name, source.offsets), _integers(name, source.labels)
    if hasattr(source, "dtype"):
        if getattr(source, "ndim", 0) != 2 or "bool" not in str(source.dtype):
            return None
        matrix = np.asarray(source.cpu() if hasattr(source, "cpu") else source)
        ends = np.cumsum(np.count_nonzero(matrix, axis=1))
        return np.concatenate([[0], ends]), np.nonzero(matrix)[1]
    if not isinstance(source, (list, tuple)) or not any(_is_set(each) for each in source):
        return None
    rows: List[npt.NDArray[Any]] = []
    for i, each in enumerate(source):
        if not _is_set(each):
            raise ValueError(f"column {name!r}: sample {i} is {each!r}, not a list of labels")
        ordered = list(each) if isinstance(each, (set, frozenset)) else each
        rows.append(_integers(name, ordered))
    ends = np.cumsum([len(row) for row in rows])
    return np.concatenate([[0], ends]), np.concatenate(rows)


def _is_set(value: Any) -> bool:
    return isinstance(value, (list, tuple, set, frozenset)) or getattr(value, "ndim", 0) == 1


def _integers(name: str, source: Any) -> npt.NDArray[Any]:
    values = np.asarray(source.cpu() if hasattr(source, "cpu") else source)
    if values.size == 0:
        values = values.astype(np.int64)
    if values.ndim != 1 or values.dtype.kind not in "ui":
        raise ValueError(
            f"column {name!r}: label sets hold integers, not {values.dtype} of shape {values.shape}"
        )
    return values


def _label_sets(name: str, offsets: npt.NDArray[Any], labels: npt.NDArray[Any]) -> ColumnData:
    if len(offsets) == 0 or offsets[0] != 0 or offsets[-1] != len(labels):
        raise ValueError(
            f"column {name!r}: offsets go from 0 to the number of labels, {len(labels)}, not from"
            f" {offsets[:1].tolist()} to {offsets[-1:].tolist()}"
        )
    falls = np.flatnonzero(offsets[1:] < offsets[:-1])
    if len(falls) > 0:
        i = int(falls[0])
        raise ValueError(
            f"column {name!r}: offsets[{i + 1}] is {offsets[i + 1]}, below {offsets[i]} before it"
        )
    if len(labels) > 0 and not (0 <= int(labels.min()) and int(labels.max()) < 2**32):
        wrong = int(np.flatnonzero((labels < 0) | (labels >= 2**32))[0])
        raise ValueError(f"column {name!r}: label {labels[wrong]} is outside [0, 2**32)")
    sample = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets.astype(np.int64)))
    order = np.lexsort((labels, sample))
    sample, labels = sample[order], labels[order]
    once = np.ones(len(labels), bool)  # a set has each label once
    once[1:] = (sample[1:] != sample[:-1]) | (labels[1:] != labels[:-1])
    sample, labels = sample[once], labels[once]
    sizes = np.bincount(sample, minlength=len(offsets) - 1)
    if len(sizes) > 0 and sizes.max() > _MAX_LABELS:
        raise ValueError(
            f"column {name!r}: sample {int(sizes.argmax())} has {sizes.max()} labels, more than"
            f" {_MAX_LABELS}"
        )
    bounds = np.concatenate([[0], np.cumsum(sizes + 1)]).astype(np.int64)
    values = np.empty(bounds[-1], "<u4")
    values[bounds[:-1]] = sizes
    values[np.arange(len(labels)) + sample + 1] = labels
    return ColumnData(
        name, _LABEL_SET, values, hashlib.sha256(values.data).hexdigest(), bounds
    )


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
