"""One report of values for a draw, and the messages it becomes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Tuple

import numpy as np
import numpy.typing as npt

from subset.draw import Draw

_masked_arrays: Any = np.ma  # has no types

MAX_ITEMS = 16_384  # samples per message


@dataclass(frozen=True)
class UnusableValue:
    """A reported value that was not sent: not finite, or a negative loss."""

    index: int
    column: str
    value: float


class Snapshot:
    """A copy of reported values that is not waited for: the training step goes on at once."""

    __slots__ = ("_values", "_copied", "masked", "count")

    def __init__(self, name: str, source: Any) -> None:
        self._copied: Any = None  # a device event, where the copy is still under way
        # Of a masked array: which samples have no value.
        has_mask = _masked_arrays.isMaskedArray(source)
        self.masked: Any = _masked_arrays.getmaskarray(source) if has_mask else None
        if not hasattr(source, "detach"):
            with np.errstate(over="ignore"):  # too large for float32: infinite, so counted as such
                self._values: Any = np.array(_masked_arrays.getdata(source), np.float32)
        elif source.device.type == "cuda":
            import torch

            pinned = torch.empty(source.shape, dtype=source.dtype, pin_memory=True)
            self._values = pinned.copy_(source.detach(), non_blocking=True)
            self._copied = torch.cuda.Event()
            self._copied.record(torch.cuda.current_stream(source.device))
        else:
            self._values = source.detach().to("cpu", copy=True)
        if len(self._values.shape) != 1:
            raise ValueError(
                f"{name} has shape {tuple(self._values.shape)}: one value per sample is needed"
                ' (reduction="none")'
            )
        self.count = int(self._values.shape[0])

    def values(self) -> npt.NDArray[np.float32]:
        """Waits for the copy."""
        if self._copied is not None:
            self._copied.synchronize()
        if hasattr(self._values, "detach"):
            result: npt.NDArray[np.float32] = self._values.float().numpy()
            return result
        return np.asarray(self._values, np.float32)


class Report:
    """Values for the samples of a draw, padding left out. Not thread-safe.

    `failed`: samples whose values are left out too, since they are to be delivered again.
    """

    __slots__ = ("draw", "step", "count", "_columns", "_failed", "_names", "_arrays", "_usable")

    def __init__(
        self,
        draw: Draw,
        step: int,
        values: Dict[str, Any],
        failed: Optional[npt.NDArray[np.bool_]] = None,
    ) -> None:
        """Raises ValueError for values that do not fit the draw."""
        self.draw = draw
        self.step = step
        self.count = len(draw) - draw.padding
        self._columns = {name: Snapshot(name, source) for name, source in values.items()}
        self._failed = failed
        for name, snapshot in self._columns.items():
            if snapshot.count not in (len(draw), self.count):
                raise ValueError(
                    f"{name} has {snapshot.count} values, the draw {len(draw)} samples"
                )

    def read(self) -> List[UnusableValue]:
        """Waits for the values; those that cannot be sent, in order by column."""
        self._names = list(self._columns)
        self._arrays = [self._columns[name].values()[: self.count] for name in self._names]
        self._usable = np.ones((len(self._names), self.count), bool)
        wanted = np.ones_like(self._usable)
        if self._failed is not None:
            wanted &= ~self._failed
        for row, (name, array) in enumerate(zip(self._names, self._arrays)):
            self._usable[row] = np.isfinite(array)
            if name == "loss":
                self._usable[row] &= ~(array < 0)
            masked = self._columns[name].masked
            if masked is not None:
                self._usable[row] &= ~masked[: self.count]
                wanted[row] &= ~masked[: self.count]
        return [
            UnusableValue(
                int(self.draw.indices[place]), self._names[row], float(self._arrays[row][place])
            )
            for row, place in zip(*np.nonzero(~self._usable & wanted))
        ]

    def pieces(self) -> List[Tuple[Any, int]]:
        """(Feedback, samples) per range of samples with the same usable columns; read() first."""
        from subset.v1 import training_pb2

        draw = self.draw
        kinds = self._usable
        if self._failed is not None:
            kinds = np.vstack([kinds, self._failed])
        # Ranges end where the set of usable columns changes, and at the message's bound.
        changes = np.flatnonzero((kinds[:, 1:] != kinds[:, :-1]).any(axis=0)) + 1
        edges = sorted({0, self.count, *changes.tolist(), *range(0, self.count, MAX_ITEMS)})
        width = draw.indices.itemsize
        raw = draw.indices.tobytes()
        pieces = []
        for begin, end in zip(edges[:-1], edges[1:]):
            if self._failed is not None and self._failed[begin]:
                continue
            feedback = training_pb2.Feedback(
                epoch=draw.epoch,
                position=None if draw.fallback else draw.position + begin,
                attempt=draw.attempt,
                step=self.step,
                index_width=width,
                indices=raw[begin * width : end * width],
                lease=draw._batch.lease if draw.lease is not None else None,
                worker=draw.worker,
                generation=None if draw.fallback else draw.generation,
            )
            for row, (name, array) in enumerate(zip(self._names, self._arrays)):
                if self._usable[row, begin]:
                    data = array[begin:end].astype("<f4", copy=False).tobytes()
                    feedback.values.add(name=name, values=data)
            pieces.append((feedback, end - begin))
        return pieces
