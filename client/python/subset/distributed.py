"""What torch.distributed knows of this process, where it is in use; imports no torch by itself."""

from __future__ import annotations

import os
import sys
from typing import Any, Callable, Optional, Tuple


def _initialized() -> Any:
    """torch.distributed, or None where it has no process group."""
    distributed: Any = sys.modules.get("torch.distributed")
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        return None
    return distributed


def detect_rank() -> Tuple[int, int]:
    """(rank, world size) of torch.distributed, else of the environment, else (0, 1)."""
    distributed = _initialized()
    if distributed is not None:
        return int(distributed.get_rank()), int(distributed.get_world_size())
    if "RANK" in os.environ and "WORLD_SIZE" in os.environ:
        return int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    return 0, 1


def group_timeout() -> Optional[float]:
    """Seconds after which the default process group gives up; None where nobody says."""
    distributed = _initialized()
    if distributed is None:
        return None
    group = distributed.distributed_c10d._get_default_group()
    try:
        if not hasattr(group, "options"):  # torch 2: the timeout is the backend's
            device = sys.modules["torch"].device
            group = group._get_backend(device("cuda" if group.name() == "nccl" else "cpu"))
        return float(group.options._timeout.total_seconds())
    except (AttributeError, RuntimeError):
        return None


def can_agree(world_size: int) -> bool:
    """Whether agreement() is possible for that many ranks."""
    distributed = _initialized()
    return world_size == 1 or (
        distributed is not None and int(distributed.get_world_size()) == world_size
    )


def agreement(world_size: int) -> Callable[[bool], bool]:
    """A function that is true on every rank where it was told true on every rank.

    Making it and calling it are collective: every rank does both, in the same order.
    """
    if world_size == 1:
        return lambda mine: mine
    import torch

    distributed = _initialized()
    # A group of its own: small, on the CPU, apart from the gradients'.
    group = distributed.new_group(backend="gloo")

    def agree(mine: bool) -> bool:
        flag = torch.tensor([int(mine)])
        distributed.all_reduce(flag, op=distributed.ReduceOp.MIN, group=group)
        return bool(flag.item())

    return agree
