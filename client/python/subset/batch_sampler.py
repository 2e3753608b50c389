"""The batches of one rank, for a PyTorch DataLoader (or any loop); needs no torch itself."""

from __future__ import annotations

import json
import os
import sys
import time
import weakref
import zlib
from typing import Any, Dict, Iterator, List, Optional, Tuple

from subset.draw import Draw
from subset.prefetch import Prefetch
from subset.resources import Epoch
from subset.run import Run

_STATE_VERSION = 1


class FirstIndex(int):
    """The first index of a batch, which carries the whole draw through loader workers."""

    draw: bytes


def draw_of(indices: List[int]) -> Draw:
    """The draw behind a list of indices that a BatchSampler gave."""
    if not indices or not isinstance(indices[0], FirstIndex):
        raise ValueError("these indices do not come from run.batch_sampler()")
    return Draw(indices[0].draw)


class BatchSampler:
    """Lists of sample indices, one per optimizer step, read ahead over one stream.

    Made by Run.batch_sampler(). Belongs to the process that trains; not thread-safe.

    Each iteration is one epoch: the one set_epoch() names, else the one after the last that ended.
    Nothing is asked of the server before the first batch is taken.
    """

    def __init__(
        self,
        run: Run,
        *,
        rank: Optional[int] = None,
        world_size: Optional[int] = None,
        prefetch: int = 8,
        probabilities: bool = True,
    ) -> None:
        if (rank is None) != (world_size is None):
            raise ValueError("rank and world_size go together")
        if rank is None or world_size is None:
            rank, world_size = detect_rank()
        if not 0 <= rank < world_size:
            raise ValueError(f"rank {rank} is outside [0, {world_size})")
        if not 1 <= prefetch <= 1024:
            raise ValueError(f"prefetch {prefetch} is outside [1, 1024]")
        self.run = run
        self.rank = rank
        self.world_size = world_size
        self._prefetch = prefetch
        self._probabilities = probabilities
        self._next: Tuple[int, int] = (0, 0)  # (epoch, step) where the next iteration begins
        self._ended = False  # all of that epoch was given: the next iteration is the one after
        self._given: Optional[Tuple[int, int]] = None  # (epoch, steps given) of the last iteration
        self._epoch: Optional[Epoch] = None  # the epoch last opened
        self._expected_uid = 0  # of a state that was loaded
        self._iteration: Optional[_Iteration] = None

    @property
    def epoch(self) -> int:
        """The epoch to go on with: the one under way, or the one after it has ended."""
        return self._position()[0]

    def set_epoch(self, epoch: int) -> None:
        """The next iteration is this epoch, from its beginning or where a loaded state stood."""
        if not 0 <= epoch < 2**32:
            raise ValueError(f"epoch {epoch} is outside [0, 2^32)")
        if epoch != self._next[0] or self._ended:
            self._next = (epoch, 0)
            self._ended = False
            self._given = None

    def __len__(self) -> int:
        """Steps of the epoch last set or begun, which this opens, as Run.open_epoch() does."""
        return self._open(self._next[0]).num_steps

    def __iter__(self) -> Iterator[List[int]]:
        return _Iteration(self)

    def state_dict(self, *, after: Optional[Draw] = None) -> Dict[str, Any]:
        """Where training stands: local, small, JSON-able.

        That is after the newest draw given to run.report(), or where nothing of this epoch was
        reported, after the last batch given out, which a loader with workers fetches ahead of
        training; `after` says it exactly.
        """
        epoch, step = self._position(after)
        info = self.run._info
        state: Dict[str, Any] = {
            "version": _STATE_VERSION,
            "run": self.run.name,
            "run_uid": info.uid if info else self._expected_uid,
            "sampler": self.run.sampler,
            "seed": self.run.seed,
            "global_batch_size": (
                info.global_batch_size if info else self.run._global_batch_size or 0
            ),
            "epoch": epoch,
            "step": step,
        }
        state["crc"] = _crc(state)
        return state

    def load_state_dict(self, state: Dict[str, Any]) -> None:
        """The next iteration begins where the state stood, at any world size.

        Raises ValueError for a damaged state, or one of another run, showing both values.
        """
        found = dict(state)
        if found.pop("crc", None) != _crc(found):
            raise ValueError("the state is damaged: its checksum does not match")
        if found.get("version") != _STATE_VERSION:
            raise ValueError(
                f"state version {found.get('version')}, this package reads {_STATE_VERSION}"
            )
        info = self.run._info
        mine: Dict[str, Any] = {
            "run": self.run.name,
            "sampler": self.run.sampler,
            "seed": self.run.seed,
            "global_batch_size": (
                info.global_batch_size if info else self.run._global_batch_size or 0
            ),
            "run_uid": info.uid if info else 0,
        }
        for key, value in mine.items():
            # 0: not known before the first call to the server.
            unknown = key in ("run_uid", "global_batch_size") and 0 in (value, found[key])
            if found[key] != value and not unknown:
                raise ValueError(f"the state has {key} {found[key]!r}, this run {value!r}")
        self._expected_uid = found["run_uid"]
        self._next = (found["epoch"], found["step"])
        self._ended = False
        self._given = None
        self.run._reported = None
        self._stop()

    def _position(self, after: Optional[Draw] = None) -> Tuple[int, int]:
        if after is not None:
            epoch, step = after.epoch, after.step + 1
        elif self._given is None:
            return self._next
        else:
            epoch, step = self._given
            reported = self.run._reported
            if reported is not None and reported[0] == epoch:
                step = reported[1] + 1
        if self._epoch is not None and self._epoch.epoch == epoch and step >= self._epoch.num_steps:
            return epoch + 1, 0
        return epoch, step

    def _open(self, epoch: int) -> Epoch:
        if self._epoch is None or self._epoch.epoch != epoch:
            uid = self.run.uid
            if self._expected_uid not in (0, uid):
                raise ValueError(
                    f"the loaded state is of run uid {self._expected_uid}, this run has uid {uid}:"
                    " it was deleted and made again"
                )
            self._epoch = self.run.open_epoch(epoch)
        return self._epoch

    def _begin(self, iteration: "_Iteration") -> Tuple[Prefetch, int]:
        """Starts the stream of the next epoch, and gives the run's uid; an older iteration ends."""
        self._stop()
        self._iteration = iteration
        if self._ended:
            self._next = (self._next[0] + 1, 0)
            self._ended = False
        epoch, first = self._next
        opened = self._open(epoch)
        self._next = (epoch, 0)
        self._given = (epoch, first)
        self.run._reported = None
        stream = self.run._stream(
            opened, first, self.rank, self.world_size, self._probabilities, self._prefetch
        )
        return Prefetch(stream, self._prefetch), self.run.uid

    def _stop(self) -> None:
        if self._iteration is not None:
            self._iteration.close()
            self._iteration = None

    def _give(self, reply: bytes, uid: int) -> List[int]:
        draw = self.run._received(reply, uid, self.rank, self.world_size)
        indices: List[int] = draw.indices.tolist()
        first = FirstIndex(indices[0])
        first.draw = draw.to_bytes()
        indices[0] = first
        self._given = (draw.epoch, draw.step + 1)
        return indices

    def _end(self) -> None:
        self._ended = True
        self._iteration = None


class _Iteration(Iterator[List[int]]):
    """One epoch of a BatchSampler."""

    def __init__(self, sampler: BatchSampler) -> None:
        self._sampler = sampler
        self._prefetch: Optional[Prefetch] = None
        self._uid = 0
        self._over = False

    def __next__(self) -> List[int]:
        if self._over:
            raise StopIteration
        if self._prefetch is None:
            self.sampler_run._connection.check_process()
            self._prefetch, self._uid = self._sampler._begin(self)
            weakref.finalize(self, self._prefetch.close)
        began = time.monotonic()
        reply = self._prefetch.take()
        self.sampler_run._wait_seconds += time.monotonic() - began
        if reply is None:
            self.close()
            self._sampler._end()
            raise StopIteration
        return self._sampler._give(reply, self._uid)

    @property
    def sampler_run(self) -> Run:
        return self._sampler.run

    def close(self) -> None:
        """Ends the stream; no more batches. Safe to repeat."""
        self._over = True
        if self._prefetch is not None:
            self._prefetch.close()


def detect_rank() -> Tuple[int, int]:
    """(rank, world size) of torch.distributed, else of the environment, else (0, 1)."""
    distributed: Any = sys.modules.get("torch.distributed")
    if distributed is not None and distributed.is_available() and distributed.is_initialized():
        return int(distributed.get_rank()), int(distributed.get_world_size())
    if "RANK" in os.environ and "WORLD_SIZE" in os.environ:
        return int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    return 0, 1


def _crc(state: Dict[str, Any]) -> int:
    return zlib.crc32(json.dumps(state, sort_keys=True).encode())
