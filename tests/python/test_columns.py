"""Columns on their way to the server."""

from __future__ import annotations

import hashlib
from typing import Any, List

import numpy as np
import pytest
import torch

from subset.columns import CHUNK_BYTES, LabelSets, column, fingerprint


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
        (np.array([[1, 2], [3, 4]]), "shape"),
        (torch.zeros(2, 2), "shape"),
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


def sets_of(words: np.ndarray) -> List[List[int]]:
    sets, at = [], 0
    while at < len(words):
        size = int(words[at])
        sets.append(words[at + 1 : at + 1 + size].tolist())
        at += 1 + size
    return sets


@pytest.mark.parametrize(
    "source",
    [
        [[3, 1], [], [1, 2, 1]],
        [(1, 3), (), (2, 1)],
        [{1, 3}, set(), frozenset({2, 1})],
        [np.array([1, 3]), [], np.array([2, 1], np.uint8)],
        [torch.tensor([3, 1]), torch.tensor([], dtype=torch.int64), torch.tensor([2, 1])],
        LabelSets([0, 2, 2, 5], [3, 1, 1, 2, 1]),
        LabelSets(np.array([0, 2, 2, 4], np.uint64), torch.tensor([1, 3, 1, 2])),
        np.array([[0, 1, 0, 1], [0, 0, 0, 0], [0, 1, 1, 0]], bool),
        torch.tensor([[0, 1, 0, 1], [0, 0, 0, 0], [0, 1, 1, 0]], dtype=torch.bool),
    ],
)
def test_label_sets_of_every_form_are_the_same(source: Any) -> None:
    made = column("c", source)
    assert (made.type_number, made.num_samples, made.num_labels) == (7, 3, 4)
    assert made.values.dtype == np.dtype("<u4")
    assert made.values.tolist() == [2, 1, 3, 0, 2, 1, 2]
    assert made.sha256 == hashlib.sha256(made.values.tobytes()).hexdigest()


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ([[1], 2], "sample 1 is 2, not a list"),
        ([[1], ["a"]], "integers"),
        ([[1.5]], "integers"),
        ([[[1]]], "shape"),
        ([[-1]], "label -1 is outside"),
        ([[2**32]], "label 4294967296 is outside"),
        ([range(3), [1]], "sample 0 is range"),
        ([list(range(65_537))], "sample 0 has 65537 labels"),
        (LabelSets([0, 2, 1, 3], [1, 2, 3]), r"offsets\[2\] is 1, below 2"),
        (LabelSets([0, 2], [1, 2, 3]), "from 0 to the number of labels, 3"),
        (LabelSets([1, 3], [1, 2, 3]), "from 0 to the number of labels, 3"),
        (LabelSets([], []), "from 0 to the number of labels, 0"),
        (LabelSets([0, 1], [0.5]), "integers"),
    ],
)
def test_what_is_not_a_set_of_labels_is_misuse(source: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint) as caught:
        column("c", source)
    assert "'c'" in str(caught.value)


def test_chunks_of_label_sets_hold_whole_samples() -> None:
    random = np.random.default_rng(1)
    sizes = random.integers(0, 30, 50_000)
    sizes[7] = 65_536
    labels = [random.choice(70_000, size, replace=False) for size in sizes]
    made = column("c", labels)
    chunks = list(made.chunks())
    assert len(chunks) > 2 and max(len(data) for _, data in chunks) <= CHUNK_BYTES
    assert b"".join(data for _, data in chunks) == made.values.tobytes()
    first = 0
    for at, data in chunks:
        assert at == first
        sets = sets_of(np.frombuffer(data, "<u4"))
        assert sets == [sorted(each.tolist()) for each in labels[at : at + len(sets)]]
        first += len(sets)
    assert first == made.num_samples == 50_000


def test_fingerprint_is_the_documented_hash() -> None:
    text = "num_samples 2\nB 1 bb\na 4 aa\n"
    assert (
        fingerprint(2, {"a": (4, "aa"), "B": (1, "bb")})
        == hashlib.sha256(text.encode()).hexdigest()
    )
