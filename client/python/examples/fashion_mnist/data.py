"""Fashion-MNIST as Debian's dataset-fashion-mnist installs it: IDX files."""

from __future__ import annotations

import gzip
import pathlib
import struct
from typing import Any, List, Tuple

import numpy as np
import torch
from torch.utils.data import Dataset

DIRECTORY = pathlib.Path("/usr/share/datasets/fashion-mnist")


def read_idx(path: pathlib.Path) -> np.ndarray:
    """The array in an IDX file of bytes. Raises ValueError where it is not one."""
    with gzip.open(path, "rb") as file:
        data = file.read()
    if len(data) < 4 or data[:3] != b"\0\0\x08":
        raise ValueError(f"{path} is not an IDX file of bytes")
    dimensions = data[3]
    shape = struct.unpack_from(f">{dimensions}I", data, 4)
    values = np.frombuffer(data, np.uint8, offset=4 + 4 * dimensions)
    if values.size != np.prod(shape):
        raise ValueError(f"{path} is truncated: {values.size} values for the shape {shape}")
    return values.reshape(shape)


def read_labels(split: str, limit: int, directory: pathlib.Path = DIRECTORY) -> np.ndarray:
    """Labels 0..9 of the first `limit` images of "train" or "t10k"."""
    return read_idx(directory / f"{split}-labels-idx1-ubyte.gz")[:limit]


class FashionMnist(Dataset):
    """(image, label): 1 x 28 x 28 bytes, and 0..9."""

    def __init__(self, split: str, limit: int, directory: pathlib.Path = DIRECTORY) -> None:
        images = read_idx(directory / f"{split}-images-idx3-ubyte.gz")[:limit]
        self.images = torch.from_numpy(images.copy()).unsqueeze(1)
        self.labels = torch.from_numpy(read_labels(split, limit, directory).astype(np.int64))

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Tuple[Any, Any]:
        return self.images[index], self.labels[index]

    def __getitems__(self, indices: List[int]) -> List[Tuple[Any, Any]]:
        return list(zip(self.images[indices], self.labels[indices]))
