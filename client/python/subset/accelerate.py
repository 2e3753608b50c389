"""Hugging Face accelerate, and the transformers Trainer on top of it.

    accelerator = Accelerator()
    model, optimizer = accelerator.prepare(model, optimizer)      # not the loader
    loader = subset.accelerate.DataLoader(
        accelerator, IndexedDataset(data), batch_sampler=run.batch_sampler(), num_workers=8)
    accelerator.register_for_checkpointing(loader.batch_sampler)  # save_state(), load_state()

The batches of run.batch_sampler() are shared out among the ranks already, each drawn and read once.
accelerator.prepare() would share out those of one rank again; here it is kept from that.

A Trainer takes the loader from get_train_dataloader(), with Collate to make the dict of inputs, and
its own compute_loss() uses and reports the draw.

Leased delivery has no place here: accelerate runs the ranks in step, and hands out one batch while it
looks whether there is another, whereas leased ranks have as many steps as they are fast, and must
report a block before they wait for those of others. Use subset.torch.DataLoader for workers that do
not step together.
"""

from __future__ import annotations

from typing import Any, Dict, Iterator

from accelerate.data_loader import DataLoaderShard

from subset.batch_sampler import BatchSampler
from subset.leased import LeasedBatchSampler

__all__ = ["DataLoader"]


class DataLoader(DataLoaderShard):  # type: ignore[misc]
    """accelerate's loader of one rank, over an IndexedDataset: device placement, gradient state.

    Takes torch's options. set_epoch() and states are those of the batch sampler, right at every
    batch, though accelerate fetches one ahead of the one it yields.
    """

    def __init__(
        self, accelerator: Any, dataset: Any, *, batch_sampler: BatchSampler, **options: Any
    ) -> None:
        if isinstance(batch_sampler, LeasedBatchSampler):
            raise ValueError(
                "leased ranks have as many steps as they are fast, and accelerate's must have the"
                " same number: give it run.batch_sampler(), or leased batches to a"
                " subset.torch.DataLoader"
            )
        if not isinstance(batch_sampler, BatchSampler):
            raise ValueError("batch_sampler is not one of run.batch_sampler()")
        self._batches = batch_sampler
        super().__init__(
            dataset, device=accelerator.device, batch_sampler=batch_sampler, **options
        )
        self._is_accelerate_prepared = True
        accelerator.prepare_data_loader(self)

    @property
    def iteration(self) -> int:
        """The epoch, which each iteration sets: the batch sampler knows it."""
        return self._batches.epoch

    @iteration.setter
    def iteration(self, epoch: int) -> None:
        pass  # counted there

    def set_epoch(self, epoch: int) -> None:
        """As BatchSampler.set_epoch()."""
        self._batches.set_epoch(epoch)

    def __iter__(self) -> Iterator[Any]:
        self._batches._count_yields()
        for batch in super().__iter__():
            self._batches._yielded = (self._batches._yielded or 0) + 1
            yield batch

    def state_dict(self) -> Dict[str, Any]:
        """After the batch last yielded, as BatchSampler.state_dict()."""
        return self._batches.state_dict()

    def load_state_dict(self, state: Dict[str, Any]) -> None:
        """As BatchSampler.load_state_dict()."""
        self._batches.load_state_dict(state)
