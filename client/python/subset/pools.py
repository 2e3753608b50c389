"""Pool then select: a batch is a pool, scored with the current model; the server keeps of it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Callable, Deque, Iterable, Iterator, Mapping, Optional, Tuple

import numpy as np
import numpy.typing as npt

from subset.draw import Draw
from subset.importance_switch import ImportanceSwitch

if TYPE_CHECKING:
    from subset.connection import Connection
    from subset.run import Run

_OUT_OF_BAG_PAGE = 1 << 18
_masked_arrays: Any = np.ma  # has no types


class Pools:
    """What a Run asks about whole batches and epochs."""

    _connection: "Connection"

    @property
    def uid(self) -> int:
        raise NotImplementedError

    def select(
        self,
        pool: Draw,
        scores: Optional[Any],
        *,
        rule: Optional[Mapping[str, Any]] = None,
        history: Optional[Any] = None,
    ) -> Draw:
        """What to train on of `pool`, a draw of this run, given a fresh score for each sample.

        `scores`: a tensor, an array or a list, in the pool's order. The rule is the sampler's
        (presets "ohem", "rho_loss", "selective_backprop", "katharopoulos_fleuret"), which also
        subtracts irreducible losses; or `rule`, a dict of SelectRule's field names such as
        {"kind": "TOP", "count": 32}, of the scores as they are. Scores None: as many as the rule
        keeps, uniformly, with the pool's weights. `history`: recent scores, for the percentile of
        KEEP_PROBABILITY.

        The draw that comes back has `places` (where in the pool), weights that are the pool's times
        the rule's, and `take` and `mean` to use them; it may be empty for KEEP_PROBABILITY. The same
        pool and scores always give the same. Report the pool, not it: that acknowledges all of the
        pool. A pool that was drawn here while the server was away, or that only pads, comes back
        whole. Raises InvalidArgument (a score that is not finite, no rule).
        """
        from google.protobuf.json_format import ParseDict, ParseError

        from subset.v1 import training_pb2

        if pool.run_uid != self.uid:
            raise ValueError(f"the pool is of run {pool.run_uid}, this is run {self.uid}")
        if pool.pool_samples:
            raise ValueError("the pool was selected from already")
        request = training_pb2.SelectRequest(uniformly=scores is None)
        if scores is not None:
            values = _float32(scores)
            if values.shape != (len(pool),):
                shape = values.shape
                raise ValueError(f"scores of shape {shape} for a pool of {len(pool)} samples")
            request.scores = values.tobytes()
        if pool.fallback or pool.padding:
            return pool
        request.pool.run_uid = pool.run_uid
        request.pool.epoch = pool.epoch
        request.pool.positions.position = pool.position
        request.pool.positions.batch_size = len(pool)
        if rule is not None:
            try:
                ParseDict(dict(rule), request.rule)
            except ParseError as error:
                raise ValueError(f"rule: {error}") from None
        if history is not None:
            request.history = np.sort(_float32(history)).tobytes()
        batch = self._connection.call(
            self._connection.training.Select,
            request,
            timeout=self._connection.timeout,
            patience=self._connection.retry.patience,
        )
        # The pool is asked for by its positions; it is a share of this step all the same.
        batch.step = pool.step
        batch.global_samples = pool.global_samples
        return Draw.from_reply(
            batch.SerializeToString(),
            run_uid=pool.run_uid,
            rank=pool.rank,
            world_size=pool.world_size,
        )

    def out_of_bag(self, epoch: int) -> npt.NDArray[Any]:
        """The samples that an open epoch leaves out, by index: of a bag, its out-of-bag samples.

        uint32, or uint64 where the dataset needs it. Raises FailedPrecondition (EPOCH_NOT_OPEN),
        InvalidArgument (an epoch of live draws).
        """
        from subset.v1 import training_pb2

        request = training_pb2.GetOutOfBagRequest(
            run_uid=self.uid, epoch=epoch, page_size=_OUT_OF_BAG_PAGE
        )
        pages = []
        while True:
            page = self._connection.call(self._connection.training.GetOutOfBag, request)
            pages.append(np.frombuffer(page.indices, dtype=f"<u{page.index_width}"))
            if not page.next_page_token:
                return np.concatenate(pages)
            request.page_token = page.next_page_token


def select_batches(
    loader: Iterable[Any],
    run: "Run",
    score: Callable[[Any], Any],
    *,
    rule: Optional[Mapping[str, Any]] = None,
    history: int = 0,
    report: str = "loss",
    switch: Optional[ImportanceSwitch] = None,
) -> Iterator[Tuple[Any, Draw]]:
    """(batch, draw) of what is trained on, of a loader that gives (batch, pool).

        loss = lambda batch: F.cross_entropy(model(batch[0]), batch[1], reduction="none")
        for batch, draw in select_batches(loader, run, loss):
            draw.mean(loss(batch)).backward()

    `score(batch)`: a number per sample, computed without gradients; it is also reported for the
    whole pool under the name `report` ("" acknowledges only). `rule`: as in Run.select().
    `history`: of how many recent scores Selective-Backprop takes its percentile; 0: of the pool.
    A pool of which nothing is chosen is skipped, unless other ranks wait for this one.

    `switch`: choose only while it is on. While it is off, as many are trained on, chosen uniformly,
    and only these are scored and reported; the pool is acknowledged whole. Every rank has a switch
    of its own, by its own pools, and none waits for another's: each gives one batch a pool, on or
    off, and its weights make the mean of all of them unbiased either way.
    """
    recent: Deque[float] = deque(maxlen=history)
    for batch, pool in loader:
        if switch is None or switch.on:
            scores = _float32(_without_gradients(score, batch))
            draw = run.select(pool, scores, rule=rule, history=list(recent) if recent else None)
            recent.extend(scores.tolist())
            values: Any = scores
        else:
            draw = run.select(pool, None, rule=rule)
            scores = _float32(_without_gradients(score, draw.take(batch)))
            values = _masked_arrays.masked_all(len(pool), np.float32)
            values[draw.places] = scores
        if switch is not None and not pool.padding:
            switch.update(scores, pool=len(pool), kept=len(draw))
        run.report(pool, **({report: values} if report else {}))
        if len(draw) or pool.world_size > 1:
            yield draw.take(batch), draw


def _without_gradients(score: Callable[[Any], Any], batch: Any) -> Any:
    import torch

    with torch.no_grad():
        return score(batch)


def _float32(values: Any) -> npt.NDArray[np.float32]:
    if hasattr(values, "detach"):
        values = values.detach().float().cpu().numpy()
    return np.ascontiguousarray(values, dtype="<f4")
