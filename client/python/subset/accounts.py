"""What of a run was reported, acknowledged and committed."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Sequence, Tuple

from subset import acknowledging
from subset.binding import Binding
from subset.connection import Connection
from subset.draw import Draw
from subset.errors import DeadlineExceeded, GenerationPassed
from subset.leases import LeaseKeeper
from subset.report import UnusableValue
from subset.reporter import Reporter
from subset.resources import Acknowledged, Checkpoint, Leases, RolledBack
from subset.resources import checkpoint_from, leases_from


class Accounts:
    """The part of a Run that takes what becomes of its draws. Thread-safe."""

    def __init__(
        self, connection: Connection, binding: Binding, *, capacity: int, strict: bool
    ) -> None:
        self._connection = connection
        self._binding = binding
        # Leases are known before reports: the reporter tells the keeper what is settled.
        self._leases = LeaseKeeper(connection, lambda: self.uid)
        self._reporter = Reporter(
            connection, lambda: self.uid, leases=self._leases, capacity=capacity, strict=strict
        )
        # Newest (epoch, step) by (rank, world size).
        self._reported: Dict[Tuple[int, int], Tuple[int, int]] = {}

    @property
    def uid(self) -> int:
        """The server's immutable name for the run."""
        return self._binding.get().uid

    def report(
        self, draw: Draw, *, loss: Any = None, step: Optional[int] = None, **named: Any
    ) -> None:
        """Reports values for the samples of a draw, and acknowledges them. Never blocks.

        `loss` and every further named value: one number per sample, as a tensor on any device, an
        array or a list; none at all acknowledges only. Of a masked array (numpy.ma) what is masked
        has no value, and is acknowledged only. `step`: the optimizer step that computed
        them; the draw's own if left out. What is not finite is left out, counted and listed
        (`unusable()`); when too much waits for the server, reports are dropped, counted and logged.
        Raises GenerationPassed for a draw from before a rollback by this process.
        """
        self._check_own(draw)
        if not draw.fallback:
            self._check_generation(draw.generation)
        if loss is not None:
            named["loss"] = loss
        self._reporter.report(draw, draw.step if step is None else step, named)
        if draw.lease is None:
            self._reported[draw.rank, draw.world_size] = (draw.epoch, draw.step)

    def flush(self, *, durable: bool = True, timeout: Optional[float] = None) -> None:
        """Returns when everything reported so far is on the server's disk.

        With durable=False it only hurries and returns at once. Raises DeadlineExceeded after
        `timeout` seconds, or the server's first refusal since the last flush.
        """
        try:
            self._reporter.flush(timeout=timeout if durable else 0)
        except DeadlineExceeded:
            if durable:
                raise

    def acknowledge(self, draw: Draw) -> Acknowledged:
        """Acknowledges a draw without values, at once: it is on the server's disk on return.

        Samples that fail() named are left out. Raises LeaseExpired (with another worker now),
        LeaseUnknown, LeaseForeign, GenerationPassed; a draw acknowledged before is a duplicate and
        no error.
        """
        self._check_own(draw)
        self._leases.report(draw)
        failed = self._leases.failed(draw)
        try:
            return acknowledging.acknowledge(self._connection, draw, leave_out=failed)
        finally:
            self._leases.settle(draw)

    def fail(
        self, draw: Draw, reason: str, *, samples: Optional[Sequence[int]] = None
    ) -> Acknowledged:
        """Gives a leased draw back as unusable, such as for a corrupt file: it is delivered again.

        `samples`: only these places of the draw, such as [3]; report() then takes the others.
        `reason`: at most 1,024 bytes, kept with the block. What fails five times is parked: see
        leases(). On the server's disk on return. Raises as acknowledge().
        """
        self._check_own(draw)
        failed = acknowledging.places(draw, reason, samples)
        outcome = acknowledging.acknowledge(
            self._connection, draw, leave_out=~failed, failed=reason
        )
        self._leases.fail(draw, failed)
        return outcome

    def leases(self, epoch: int) -> Leases:
        """The blocks of an open epoch that workers hold, and those that are parked.

        Raises FailedPrecondition (EPOCH_NOT_OPEN).
        """
        from subset.v1 import training_pb2

        request = training_pb2.ListLeasesRequest(run_uid=self.uid, epoch=epoch)
        return leases_from(self._connection.call(self._connection.training.ListLeases, request))

    def release_parked(self, epoch: int, position: Optional[int] = None) -> int:
        """Lets parked blocks be delivered again, all or the one at `position`; how many positions.

        Safe to repeat. Raises NotFound (NOT_PARKED), FailedPrecondition (EPOCH_NOT_OPEN).
        """
        from subset.v1 import training_pb2

        request = training_pb2.ReleaseParkedRequest(
            run_uid=self.uid, epoch=epoch, position=position
        )
        reply = self._connection.call(self._connection.training.ReleaseParked, request)
        return int(reply.released_positions)

    def commit(
        self, checkpoint_id: str, *, keep_scores: bool = False, timeout: Optional[float] = None
    ) -> Checkpoint:
        """Ties everything acknowledged so far to a checkpoint of the trainer.

        Call it when the model is saved, before the next step: it flushes this process's reports
        first, for at most `timeout` seconds, and raises what flush() does. Where several processes
        train one model, all of them flush, then one commits. `checkpoint_id`: [1, 256] bytes; one
        that is known names the newer state from now on. The last 16 are known (info().checkpoints).
        `keep_scores`: also keep the scores for rollback(revert_scores=True): up to 4 bytes per
        sample and column. Safe to repeat while the trainer stands still.
        """
        from subset.v1 import training_pb2

        self.flush(timeout=timeout)
        request = training_pb2.CommitRequest(
            run_uid=self.uid, checkpoint_id=checkpoint_id, keep_scores=keep_scores
        )
        return checkpoint_from(self._call(self._connection.training.Commit, request))

    def rollback(self, checkpoint_id: str, *, revert_scores: bool = False) -> RolledBack:
        """Returns everything acknowledged after a commit: it is delivered again, from the same plan.

        Call it after loading that checkpoint, in one process, before anything is drawn. The run's
        generation rises: reports of older draws are refused (GenerationPassed), from whichever
        process; those that wait here are dropped and counted as stale. Scores stay as they are
        unless `revert_scores`. Raises CheckpointGone; FailedPrecondition (SCORES_GONE: they were
        not kept). Retries by itself where the server is away, and rolls back once.
        """
        from subset.v1 import training_pb2

        self._binding.get()
        request = training_pb2.RollbackRequest(
            run_uid=self.uid,
            checkpoint_id=checkpoint_id,
            revert_scores=revert_scores,
            generation=self._binding.fetch().generation,
        )
        reply = self._call(self._connection.training.Rollback, request)
        self._reporter.rolled_back(reply.generation)
        self._leases.forget()
        self._reported.clear()
        return RolledBack(reply.generation, reply.returned_positions, reply.duplicate)

    def unusable(self) -> List[UnusableValue]:
        """The newest reported values that were not sent (not finite, or a negative loss)."""
        return self._reporter.unusable()

    def close(self, *, timeout: float = 30.0) -> None:
        """Sends what waits, for at most `timeout` seconds; then reports are refused.

        Blocks that were not reported are given back.
        """
        self._reporter.close(timeout=timeout)
        self._leases.close()

    def _check_own(self, draw: Draw) -> None:
        self._connection.check_process()  # before any lock, which a fork may have left held
        if draw.run_uid != self.uid:
            raise ValueError(f"the draw is of run {draw.run_uid}, this is run {self.uid}")
        if draw.pool_samples:
            raise ValueError("the draw was selected from a pool: report the pool")

    def _call(self, method: Any, request: Any) -> Any:
        """A call that training waits for, with the patience of one."""
        return self._connection.call(method, request, patience=self._connection.retry.patience)

    @property
    def _generation(self) -> int:
        return self._reporter.generation

    def _check_generation(self, generation: int) -> None:
        """Raises GenerationPassed for what belongs before a rollback by this process."""
        if generation < self._generation:
            raise GenerationPassed(
                f"this was drawn before the run was rolled back to generation {self._generation}:"
                " load the checkpoint's state and iterate anew",
                reason="GENERATION_PASSED",
            )
