"""One batch as it was drawn."""

from __future__ import annotations

import struct
from typing import Any, Dict, Optional, Tuple

import numpy as np
import numpy.typing as npt

from subset.resources import AcknowledgedBlock, Lease, ScoreVersion
from subset.resources import acknowledged_block_from, lease_from, score_version_from

_HEADER = struct.Struct("<QIIB")  # run uid, rank, world_size, bytes of the worker's name after it

_KINDS = {
    0: "unknown",
    1: "per_draw",
    2: "inclusion_epoch",
    3: "expected_count",
    4: "inclusion_batch",
}
_OVER = {0: "unknown", 1: "batch", 2: "epoch", 3: "nothing"}


class Draw:
    """Indices, with the probability and the importance weight of each.

    Arrays are read-only views of the received bytes, without a copy. Decoded when first looked at,
    so a draw passes through queues and loader workers as one small block of bytes.

        run_uid, rank, world_size      whose share this is
        epoch, position, step          its address; position is the first sample's
        sampler_version, score_version what decided it
        attempt                        1; higher where it was, or may have been, delivered before
        lease, worker                  of a leased draw: the right to it, and whose it is
        generation                     rollbacks of the run before it was drawn
        fallback                       whether it was drawn here, while the server was away
        acknowledged                   of a replay: who acknowledged which of its positions
        padding                        samples at the end that only fill an empty share (weight 0)
        global_samples                 samples of this step over all ranks
        places, pool_samples           of what was selected: where in the pool, and its size, else 0
        probability_kind               "per_draw", "inclusion_epoch", "expected_count" or
                                       "inclusion_batch"
        unbiased_over                  "batch", "epoch" or "nothing": of the weighted mean
    """

    __slots__ = ("_payload", "_message", "_cache", "_source")

    def __init__(self, payload: bytes) -> None:
        self._payload = payload
        self._message: Any = None
        self._cache: Dict[str, Any] = {}
        self._source: Any = None  # what must live as long as this does; stays in its process

    @classmethod
    def from_reply(
        cls, reply: bytes, *, run_uid: int, rank: int = 0, world_size: int = 1, worker: str = ""
    ) -> "Draw":
        """From a serialized subset.v1.Batch, as received."""
        name = worker.encode()
        return cls(_HEADER.pack(run_uid, rank, world_size, len(name)) + name + reply)

    def to_bytes(self) -> bytes:
        """Everything, for another process: Draw(data) is equal."""
        return self._payload

    @property
    def _batch(self) -> Any:
        if self._message is None:
            from subset.v1 import training_pb2

            begin = _HEADER.size + int(_HEADER.unpack_from(self._payload)[3])
            message = training_pb2.Batch.FromString(memoryview(self._payload)[begin:])
            width = message.index_width
            if width not in (4, 8) or len(message.indices) % width:
                raise ValueError(f"index_width {width} does not fit {len(message.indices)} bytes")
            self._message = message
        return self._message

    @property
    def run_uid(self) -> int:
        return int(_HEADER.unpack_from(self._payload)[0])

    @property
    def rank(self) -> int:
        return int(_HEADER.unpack_from(self._payload)[1])

    @property
    def world_size(self) -> int:
        return int(_HEADER.unpack_from(self._payload)[2])

    @property
    def worker(self) -> str:
        end = _HEADER.size + int(_HEADER.unpack_from(self._payload)[3])
        return self._payload[_HEADER.size : end].decode()

    @property
    def epoch(self) -> int:
        return int(self._batch.epoch)

    @property
    def position(self) -> int:
        return int(self._batch.position)

    @property
    def step(self) -> int:
        return int(self._batch.step)

    @property
    def attempt(self) -> int:
        return int(self._batch.attempt)

    @property
    def generation(self) -> int:
        return int(self._batch.generation)

    @property
    def lease(self) -> Optional[Lease]:
        return lease_from(self._batch.lease) if self._batch.HasField("lease") else None

    @property
    def acknowledged(self) -> Tuple[AcknowledgedBlock, ...]:
        return tuple(acknowledged_block_from(b) for b in self._batch.acknowledged)

    @property
    def fallback(self) -> bool:
        return int(self._batch.attempt) == 0

    @property
    def padding(self) -> int:
        return int(self._batch.padding)

    @property
    def global_samples(self) -> int:
        return int(self._batch.global_samples) or len(self) - self.padding

    @property
    def pool_samples(self) -> int:
        return int(self._batch.pool_samples)

    @property
    def places(self) -> npt.NDArray[np.uint32]:
        """Where each sample stands in the batch that was selected from; else in its own."""
        if self.pool_samples:
            return self._view("places", "<u4")
        return np.arange(len(self), dtype=np.uint32)

    @property
    def sampler_version(self) -> int:
        return int(self._batch.sampler_version)

    @property
    def score_version(self) -> ScoreVersion:
        return score_version_from(self._batch.score_version)

    @property
    def probability_kind(self) -> str:
        return _KINDS.get(self._batch.probability_kind, "unknown")

    @property
    def unbiased_over(self) -> str:
        return _OVER.get(self._batch.unbiased_over, "unknown")

    @property
    def indices(self) -> npt.NDArray[Any]:
        """uint32, or uint64 where the dataset needs it."""
        return self._view("indices", f"<u{self._batch.index_width}")

    @property
    def indices64(self) -> npt.NDArray[np.int64]:
        """As int64, which is what torch indexes with; converted once."""
        if "indices64" not in self._cache:
            self._cache["indices64"] = self.indices.astype(np.int64)
        result: npt.NDArray[np.int64] = self._cache["indices64"]
        return result

    @property
    def weights(self) -> npt.NDArray[np.float32]:
        """One importance weight per sample, float32; 0 for padding."""
        batch = self._batch
        if not batch.HasField("weight"):
            return self._view("weights", "<f4")
        if "weights" not in self._cache:
            if batch.padding:
                weights = np.full(len(self), batch.weight, np.float32)
                weights[len(self) - batch.padding :] = 0
            else:
                weights = np.broadcast_to(np.float32(batch.weight), (len(self),))
            self._cache["weights"] = weights
        result: npt.NDArray[np.float32] = self._cache["weights"]
        return result

    @property
    def probabilities(self) -> Optional[npt.NDArray[np.float64]]:
        """One per sample, float64; None where they were not asked for."""
        batch = self._batch
        if batch.HasField("probability"):
            return np.broadcast_to(np.float64(batch.probability), (len(self),))
        if len(self) and not batch.probabilities:
            return None
        return self._view("probabilities", "<f8")

    def mean(self, loss: Any, *, over: Optional[int] = None) -> Any:
        """The weighted mean of per-sample losses, to call backward() on. `loss`: tensor or array.

        sum(weights * loss) * world_size / global_samples: averaged over the ranks, as
        DistributedDataParallel does with gradients, it is the weighted mean of the whole global
        batch, short, uneven and padded ones included.

        Accumulating gradients over several batches: pass `over`, the sum of their global_samples,
        to each call, and step after the last.
        """
        count = len(self) - self.padding
        if self.pool_samples and not count:
            return loss.sum() * 0.0
        if len(loss.shape) != 1 or loss.shape[0] not in (len(self), count):
            raise ValueError(
                f"loss has shape {tuple(loss.shape)}, this draw {len(self)} samples: per-sample"
                ' losses are needed (reduction="none")'
            )
        scale = self.world_size / (self.global_samples if over is None else over)
        if self.pool_samples:
            scale *= self.pool_samples / count
        loss = loss[:count]
        if self._batch.HasField("weight"):
            return loss.sum() * (self._batch.weight * scale)
        weights: Any = self.weights[:count]
        if hasattr(loss, "detach"):
            import torch

            weights = torch.tensor(weights).to(loss.device, non_blocking=True)
        return (loss * weights).sum() * scale

    def take(self, *batches: Any) -> Any:
        """Of what the pool's batch holds, the part that was selected: x, y = draw.take(x, y).

        Tensors, arrays, and mappings, tuples and lists of them, as collated.
        """
        from subset.collated import take

        taken = tuple(take(batch, self.places) for batch in batches)
        return taken[0] if len(taken) == 1 else taken

    def __len__(self) -> int:
        """Samples, padding included."""
        return len(self._batch.indices) // int(self._batch.index_width)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Draw) and self._payload == other._payload

    def __hash__(self) -> int:
        return hash(self._payload)

    def __reduce__(self) -> Tuple[Any, ...]:
        return Draw, (self._payload,)

    def __repr__(self) -> str:
        address = f"step={self.step}, rank={self.rank}/{self.world_size}"
        if self.lease is not None:
            address = f"worker={self.worker!r}, lease={self.lease.id}, attempt={self.attempt}"
        return (
            f"Draw({len(self)} samples, epoch={self.epoch}, {address},"
            f" position={self.position}, unbiased_over={self.unbiased_over!r})"
        )

    def _view(self, name: str, dtype: str) -> npt.NDArray[Any]:
        if name not in self._cache:
            values = np.frombuffer(getattr(self._batch, name), dtype=dtype)
            if name != "indices" and len(values) != len(self):
                raise ValueError(f"{len(values)} {name} for {len(self)} indices")
            self._cache[name] = values
        result: npt.NDArray[Any] = self._cache[name]
        return result
