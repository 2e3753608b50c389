"""The batches of one rank, for a PyTorch DataLoader (or any loop); needs no torch itself."""

from __future__ import annotations

import logging
import time
import weakref
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

from subset import state as tokens
from subset.distributed import agreement, can_agree, detect_rank, group_timeout
from subset.draw import Draw
from subset.fallback import Fallback, check_unrestricted, uniform_batch
from subset.prefetch import Prefetch
from subset.resources import Epoch
from subset.run import Run

_log = logging.getLogger("subset")

_UNIFORM_SECONDS = 10.0  # what a server that restarts takes


class FirstIndex(int):
    """The first index of a batch, which carries the whole draw through loader workers."""

    draw: bytes


def draw_of(indices: List[int]) -> Draw:
    """The draw behind a list of indices that a BatchSampler gave."""
    if not indices or not isinstance(indices[0], FirstIndex):
        raise ValueError("these indices do not come from run.batch_sampler()")
    return Draw(indices[0].draw)


def index_list(draw: Draw) -> List[int]:
    """The draw's indices, the first of which carries it."""
    indices: List[int] = draw.indices.tolist()
    first = FirstIndex(indices[0])
    first.draw = draw.to_bytes()
    indices[0] = first
    return indices


class BatchSampler:
    """Lists of sample indices, one per optimizer step, read ahead over one stream.

    Made by Run.batch_sampler(). Belongs to the process that trains; not thread-safe.

    Each iteration is one epoch: the one set_epoch() names, else the one after the last that ended.
    An iteration that is broken off begins its epoch again. Nothing is asked of the server before
    the first batch is taken.
    """

    def __init__(
        self,
        run: Run,
        *,
        rank: Optional[int] = None,
        world_size: Optional[int] = None,
        prefetch: int = 8,
        probabilities: bool = True,
        on_outage: str = "wait",
        patience: Optional[float] = None,
    ) -> None:
        """See Run.batch_sampler()."""
        if (rank is None) != (world_size is None):
            raise ValueError("rank and world_size go together")
        if rank is None or world_size is None:
            rank, world_size = detect_rank()
        if not 0 <= rank < world_size:
            raise ValueError(f"rank {rank} is outside [0, {world_size})")
        if not 1 <= prefetch <= 1024:
            raise ValueError(f"prefetch {prefetch} is outside [1, 1024]")
        defaults = {"wait": run._connection.retry.patience, "uniform": _UNIFORM_SECONDS, "raise": 0}
        if on_outage not in defaults:
            raise ValueError(f'on_outage {on_outage!r} is not "wait", "uniform" or "raise"')
        if patience is not None and not patience >= 0:
            raise ValueError(f"patience {patience} is negative")
        if on_outage == "uniform" and patience == 0:
            raise ValueError('patience 0 with on_outage "uniform" would wait for no batch at all')
        if on_outage == "uniform" and not can_agree(world_size):
            raise ValueError(
                f'on_outage "uniform" at world_size {world_size} needs torch.distributed with as'
                " many ranks: all of them must fall back for the same steps"
            )
        self.run = run
        self.rank = rank
        self.world_size = world_size
        self._prefetch = prefetch
        self._probabilities = probabilities
        self._on_outage = on_outage
        self._patience = defaults[on_outage] if patience is None else patience
        self._agree: Optional[Callable[[bool], bool]] = None
        self._next: Tuple[int, int] = (0, 0)  # (epoch, step) where the next iteration begins
        self._loaded: Optional[Dict[str, Any]] = None  # a state, until the run is known
        self._epoch: Optional[Epoch] = None  # the epoch last opened
        self._iteration: Optional[_Iteration] = None
        # Of the last iteration.
        self._given: Optional[Tuple[int, int]] = None  # (epoch, steps given out)
        self._first = 0
        self._ended = False  # all of the epoch was given out
        self._yielded: Optional[int] = None  # batches, where a loader counts those it yields

    @property
    def epoch(self) -> int:
        """The epoch to go on with: the one under way, or the one after it has ended."""
        return self._position()[0]

    @property
    def drop_last(self) -> bool:
        """Whether the short batch at the end of an epoch is left out: a setting of the run."""
        return self.run.drop_last

    @property
    def batch_size(self) -> Optional[int]:
        """Samples per batch, None where the run's is not known yet; only where the rank is alone.

        Raises ValueError elsewhere: a framework that asks is about to share the batches out among
        the ranks a second time, and each would see a fraction of its own.
        """
        if self.world_size > 1:
            raise ValueError(
                "these batches are shared out among the ranks already: keep the framework from"
                " doing it again (subset.accelerate.prepare, or do not prepare the loader)"
            )
        return self.run._binding.known_batch_size() or None

    def set_epoch(self, epoch: int) -> None:
        """The next iteration is this epoch, from its beginning or where a loaded state stood."""
        if not 0 <= epoch < 2**32:
            raise ValueError(f"epoch {epoch} is outside [0, 2^32)")
        if epoch != self._next[0] or self._over():
            self._go_to(epoch, 0)

    def __len__(self) -> int:
        """Steps of the epoch last set or begun, which this opens, as Run.open_epoch() does."""
        return self._open(self._next[0]).num_steps

    def __iter__(self) -> Iterator[List[int]]:
        return _Iteration(self)

    def state_dict(self, *, after: Optional[Draw] = None) -> Dict[str, Any]:
        """Where training stands: local, below 1 KiB, JSON-able.

        That is after the draw `after`, if given; else after the last batch that a
        subset.torch.DataLoader yielded; else after the newest draw of this epoch given to
        run.report(); else after the last batch given out, which a loader of another kind fetches
        ahead of training. After an epoch's last batch it is the beginning of the next epoch.
        """
        return tokens.make(self._identity(), *self._position(after))

    def load_state_dict(self, state: Dict[str, Any]) -> None:
        """The next iteration begins where the state stood, at any world size.

        Raises ValueError for a damaged state, or one of another version, dataset, sampler, run,
        seed or global batch size, showing both values.
        """
        epoch, step = tokens.read(state, self._identity(loaded=False))
        self._loaded = dict(state) if self.run._binding.known() is None else None
        self._go_to(epoch, step)
        self.run._reported.pop((self.rank, self.world_size), None)
        self._stop()

    def _identity(self, *, loaded: bool = True) -> Dict[str, Any]:
        """What a state says it belongs to; 0 for what only the server knows."""
        identity = self.run._binding.identity()
        if loaded and self._loaded is not None:
            identity = {key: self._loaded[key] for key in identity}
        return identity

    def _go_to(self, epoch: int, step: int) -> None:
        self._next = (epoch, step)
        self._given = None
        self._ended = False
        self._yielded = None if self._yielded is None else 0

    def _position(self, after: Optional[Draw] = None) -> Tuple[int, int]:
        if after is not None:
            epoch, step = after.epoch, after.step + 1
        elif self._given is None:
            return self._next
        else:
            epoch, step = self._given
            reported = self.run._reported.get((self.rank, self.world_size))
            if self._yielded is not None:
                step = self._first + self._yielded
            elif reported is not None and reported[0] == epoch:
                step = reported[1] + 1
        if self._epoch is not None and self._epoch.epoch == epoch and step >= self._epoch.num_steps:
            return epoch + 1, 0
        return epoch, step

    def _start(self) -> Tuple[int, int]:
        """(epoch, step) of the next iteration."""
        return (self._next[0] + 1, 0) if self._over() else self._next

    def _count_yields(self) -> None:
        """From now on a loader says how many batches it has yielded, by adding to _yielded."""
        if self._yielded is None:
            self._go_to(*self._start())
            self._yielded = 0

    def _over(self) -> bool:
        """Whether the last iteration came to its end, in the loader too where that counts."""
        return self._ended and (
            self._yielded is None
            or self._epoch is None
            or self._first + self._yielded >= self._epoch.num_steps
        )

    def _open(self, epoch: int) -> Epoch:
        if self._epoch is None or self._epoch.epoch != epoch:
            self.run._binding.get()
            if self._loaded is not None:  # now everything in it can be checked
                tokens.read(self._loaded, self._identity(loaded=False))
                self._loaded = None
            self._epoch = self.run.open_epoch(epoch)
        return self._epoch

    def _begin(self, iteration: "_Iteration") -> Tuple[Epoch, int]:
        """The epoch and first step of an iteration; an older one ends."""
        self._stop()
        epoch, first = self._start()
        opened = self._open(epoch)
        if first and first == opened.num_steps:  # a state after the last draw
            epoch, first = epoch + 1, 0
            opened = self._open(epoch)
        if first > opened.num_steps:
            raise ValueError(f"step {first} is past epoch {epoch}, which has {opened.num_steps}")
        self._go_to(epoch, 0)
        self._first = first
        self._given = (epoch, first)
        self._iteration = iteration
        self.run._reported.pop((self.rank, self.world_size), None)
        return opened, first

    def _fallback(self, epoch: Epoch, first: int) -> Optional[Fallback]:
        if self._on_outage != "uniform":
            timeout = group_timeout()
            if timeout is not None and timeout <= self._patience:
                _log.warning(
                    "the process group gives up after %g s, before the patience of %g s with a"
                    " server that is away: raise the group's timeout, or lower patience",
                    timeout,
                    self._patience,
                )
            return None
        check_unrestricted(self.run._connection, self.run.sampler)
        if self._agree is None:
            self._agree = agreement(self.world_size)
        block = self._prefetch if self.world_size > 1 else 1
        return Fallback(epoch.num_steps, block, self._patience, self._agree)

    def _read_ahead(self, epoch: Epoch, first: int) -> Prefetch:
        stream = self.run._stream(
            epoch,
            first,
            self.rank,
            self.world_size,
            self._probabilities,
            self._prefetch,
            float("inf") if self._on_outage == "uniform" else self._patience,
        )
        return Prefetch(stream, self._prefetch)

    def _stop(self) -> None:
        if self._iteration is not None:
            self._iteration.close()
            self._iteration = None

    def _give(self, reply: bytes) -> List[int]:
        draw = self.run._received(reply, rank=self.rank, world_size=self.world_size)
        self._given = (draw.epoch, draw.step + 1)
        return index_list(draw)

    def _end(self) -> None:
        self._ended = True
        self._iteration = None


class _Iteration(Iterator[List[int]]):
    """One epoch of a BatchSampler."""

    def __init__(self, sampler: BatchSampler) -> None:
        self._sampler = sampler
        self._prefetch: Optional[Prefetch] = None
        self._fallback: Optional[Fallback] = None
        self._epoch: Optional[Epoch] = None
        self._step = 0  # the next
        self._generation = 0  # rollbacks by this process when it began
        self._over = False

    def __next__(self) -> List[int]:
        if self._over:
            raise StopIteration
        sampler, run = self._sampler, self._sampler.run
        if self._prefetch is None or self._epoch is None:
            run._connection.check_process()
            self._generation = run._generation
            self._epoch, self._step = sampler._begin(self)
            self._fallback = sampler._fallback(self._epoch, self._step)
            self._prefetch = sampler._read_ahead(self._epoch, self._step)
            weakref.finalize(self, self._prefetch.close)
        run._check_generation(self._generation)
        if self._step >= self._epoch.num_steps:
            self.close()
            sampler._end()
            raise StopIteration
        began = time.monotonic()
        if self._fallback is not None and self._fallback.is_local(self._step, self._prefetch):
            reply = uniform_batch(
                run._binding.get(), self._epoch, self._step, sampler.rank, sampler.world_size
            )
        else:
            reply = self._prefetch.take()
        run._wait_seconds += time.monotonic() - began
        self._step += 1
        return sampler._give(reply)

    def state_dict(self) -> Dict[str, Any]:
        """After the last batch this gave out: what torchdata's StatefulDataLoader counts."""
        epoch, step = self._sampler._start()
        if self._epoch is not None:
            epoch, step = self._epoch.epoch, self._step
            if step >= self._epoch.num_steps:
                epoch, step = epoch + 1, 0
        return tokens.make(self._sampler._identity(), epoch, step)

    def load_state_dict(self, state: Dict[str, Any]) -> None:
        """As BatchSampler.load_state_dict(), before the first batch."""
        self._sampler.load_state_dict(state)

    def close(self) -> None:
        """Ends the stream; no more batches. Safe to repeat."""
        self._over = True
        if self._prefetch is not None:
            self._prefetch.close()
