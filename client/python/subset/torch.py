"""PyTorch: a dataset wrapper that carries each draw to the loss."""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterator, List, Mapping, Sequence, Tuple, Union

import torch.utils.data
from torch.utils.data import default_collate

from subset.batch_sampler import BatchSampler, FirstIndex, draw_of
from subset.draw import Draw
from subset.importance_switch import ImportanceSwitch
from subset.leased import LeasedBatchSampler
from subset.pools import select_batches

__all__ = [
    "BatchSampler",
    "Collate",
    "DataLoader",
    "Draw",
    "ImportanceSwitch",
    "IndexedDataset",
    "LeasedBatchSampler",
    "draw_of",
    "select_batches",
]

_KEY = "draw"


class _Token(Mapping[str, Union[bytes, Sequence[bytes]]]):
    """One sample's part of its draw; collating the parts of a batch gives the Draw.

    default_collate rebuilds a Mapping of the same type from collated values, and leaves bytes as
    they are. The batch's first sample carries the draw, the others nothing.
    """

    __slots__ = ("_part",)
    _part: bytes

    def __new__(cls, values: Mapping[str, Union[bytes, Sequence[bytes]]]) -> Any:
        part = values[_KEY]
        if not isinstance(part, bytes):
            return _draw(part)
        token = super().__new__(cls)
        token._part = part
        return token

    def __getitem__(self, key: str) -> bytes:
        if key != _KEY:
            raise KeyError(key)
        return self._part

    def __iter__(self) -> Iterator[str]:
        return iter((_KEY,))

    def __len__(self) -> int:
        return 1

    def __reduce__(self) -> Tuple[Any, ...]:
        return _Token, ({_KEY: self._part},)


def _draw(parts: Sequence[bytes]) -> Draw:
    payload = b"".join(parts)
    if not payload:
        raise ValueError(
            "an IndexedDataset is read with DataLoader(..., batch_sampler=run.batch_sampler()), and"
            " its batches are collated whole"
        )
    return Draw(payload)


class IndexedDataset(torch.utils.data.Dataset):  # type: ignore[misc]
    """Gives (sample, draw) where the dataset it wraps, which needs len and [index], gives sample.

    With DataLoader(IndexedDataset(data), batch_sampler=run.batch_sampler()) the loop reads

        for (x, y), draw in loader: ...

    for default_collate, any number of workers, fork or spawn, pinned or not. With a collate
    function of your own, pass collate_fn=Collate(yours).
    """

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Tuple[Any, Any]:
        return self.dataset[int(index)], _token(index)

    def __getitems__(self, indices: List[int]) -> List[Tuple[Any, Any]]:
        if getattr(self.dataset, "__getitems__", None):
            samples = self.dataset.__getitems__([int(index) for index in indices])
            return list(zip(samples, map(_token, indices)))
        return [self[index] for index in indices]


def _token(index: int) -> Any:
    return _Token({_KEY: index.draw if isinstance(index, FirstIndex) else b""})


class Collate:
    """A collate function for an IndexedDataset, around one for the samples alone."""

    def __init__(self, samples: Callable[[List[Any]], Any] = default_collate) -> None:
        self._samples = samples

    def __call__(self, items: List[Tuple[Any, Any]]) -> Tuple[Any, Draw]:
        return self._samples([item[0] for item in items]), _draw([item[1][_KEY] for item in items])


class DataLoader(torch.utils.data.DataLoader):  # type: ignore[misc]
    """torch's own over an IndexedDataset, which tells the batch sampler what it has yielded.

        DataLoader(IndexedDataset(data), batch_sampler=run.batch_sampler(), ...)

    state_dict() is then right at every batch, however far workers have fetched ahead, also where
    nothing is reported. Over run.leased_batch_sampler() an iteration ends with the epoch: where the
    last blocks are with others it waits, with nothing fetched ahead, and goes on with what they
    leave. Broken off, it gives back what it fetched. Takes torch's options.
    """

    def __init__(
        self,
        dataset: Any,
        *,
        batch_sampler: Union[BatchSampler, LeasedBatchSampler],
        **options: Any,
    ) -> None:
        if not isinstance(batch_sampler, (BatchSampler, LeasedBatchSampler)):
            raise ValueError(
                "batch_sampler is not one of run.batch_sampler() or run.leased_batch_sampler()"
            )
        super().__init__(dataset, batch_sampler=batch_sampler, **options)

    def __iter__(self) -> Iterator[Any]:
        batches = self.batch_sampler
        if isinstance(batches, LeasedBatchSampler):
            yield from self._leased(batches)
            return
        batches._count_yields()
        for batch in super().__iter__():
            batches._yielded = (batches._yielded or 0) + 1
            yield batch

    def _leased(self, batches: LeasedBatchSampler) -> Iterator[Any]:
        batches._begin_loading()
        try:
            while batches.wait():  # before workers are started for nothing
                for batch in super().__iter__():
                    batches._note_yield()
                    yield batch
        finally:
            batches._end_loading()

    def set_epoch(self, epoch: int) -> None:
        """As the batch sampler's."""
        self.batch_sampler.set_epoch(epoch)

    def state_dict(self) -> Dict[str, Any]:
        """After the batch last yielded, as the batch sampler's."""
        state: Dict[str, Any] = self.batch_sampler.state_dict()
        return state

    def load_state_dict(self, state: Dict[str, Any]) -> None:
        """As the batch sampler's."""
        self.batch_sampler.load_state_dict(state)
