"""Columns on their way to the server."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pytest
import torch

from subset.columns import CHUNK_BYTES, column, fingerprint


@pytest.mark.parametrize(
    ("source", "dtype"),
    [
        ([0, 255], "<u1"),
        ([0, 256], "<u2"),
        ([0, 65_536], "<u4"),
        ([0, 2**32], "<i8"),
        ([-1, 5], "<i8"),
        ([0.5, 1.5], "<f8"),
        ([True, False], "<u1"),
        (np.array([1, 2], np.int64), "<i8"),
        (np.array([1, 2], np.uint16), "<u2"),
        (np.array([1, 2], ">u2"), "<u2"),
        (np.array([1, 2], np.int16), "<i8"),
        (np.array([1, 2], np.uint64), "<u1"),
        (np.array([1, 2], np.float16), "<f4"),
        (np.array([1, np.nan], np.float32), "<f4"),
        (torch.tensor([1, 2]), "<i8"),
        (torch.tensor([1, 2], dtype=torch.uint8), "<u1"),
        (torch.tensor([1.0, 2.0], dtype=torch.bfloat16, requires_grad=True), "<f4"),
        (np.arange(10)[::5], "<i8"),
    ],
)
def test_types(source: Any, dtype: str) -> None:
    made = column("c", source)
    assert made.values.dtype == np.dtype(dtype) and made.values.flags.c_contiguous
    expected = [float(v) for v in source]
    assert np.array_equal(made.values.astype(float), expected, equal_nan=True)
    assert made.sha256 == hashlib.sha256(made.values.tobytes()).hexdigest()


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        (["a", "b"], "not numbers"),
        ([[1, 2], [3, 4]], "shape"),
        ([[1], [2, 3]], "'c'"),
        ([1.0, float("inf")], "inf at sample 1"),
        (np.array([2**63], np.uint64), "above 2"),
        (np.array([1], object), "not numbers"),
        (5, "shape"),
    ],
)
def test_what_is_not_one_number_per_sample_is_misuse(source: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint) as caught:
        column("c", source)
    assert "'c'" in str(caught.value)


def test_chunks_are_bounded_whole_and_in_order() -> None:
    made = column("c", np.arange(300_000, dtype=np.float64))
    chunks = list(made.chunks())
    assert max(len(data) for _, data in chunks) == CHUNK_BYTES
    assert b"".join(data for _, data in chunks) == made.values.tobytes()
    assert [first for first, _ in chunks] == [0, 131_072, 262_144]


def test_fingerprint_is_the_documented_hash() -> None:
    text = "num_samples 2\nB 1 bb\na 4 aa\n"
    assert (
        fingerprint(2, {"a": (4, "aa"), "B": (1, "bb")})
        == hashlib.sha256(text.encode()).hexdigest()
    )
