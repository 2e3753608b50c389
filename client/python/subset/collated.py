"""What a collate function made of samples, and picking some of them out of it."""

from __future__ import annotations

from typing import Any, List, Mapping


def take(batch: Any, places: Any) -> Any:
    """The samples at `places` of a batch, in its own form.

    Tensors and arrays are indexed by their first dimension; a mapping, a tuple or a list is gone
    through, but for one of strings, numbers or None, which default_collate leaves as one per sample.
    """
    if hasattr(batch, "detach"):
        import torch

        return batch[torch.as_tensor(places.astype("int64")).to(batch.device)]
    if hasattr(batch, "shape"):
        return batch[places]
    if isinstance(batch, Mapping):
        return {key: take(value, places) for key, value in batch.items()}
    if isinstance(batch, (tuple, list)):
        if all(isinstance(value, (str, bytes, int, float, type(None))) for value in batch):
            picked: List[Any] = [batch[place] for place in places]
        else:
            picked = [take(value, places) for value in batch]
        return picked if isinstance(batch, list) else tuple(picked)
    raise ValueError(f"{type(batch).__name__} is no batch of samples")
