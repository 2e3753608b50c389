"""The run on the server."""

from __future__ import annotations

import threading
from typing import Any, Dict, Mapping, Optional

from subset import requests
from subset.connection import Connection
from subset.errors import NotFound
from subset.resources import RunInfo, run_from


class Binding:
    """Creates the run, or looks it up, with the first call that needs it. Thread-safe.

    Without a global batch size it is only looked up: the size is then the server's, or given later.
    """

    def __init__(
        self,
        connection: Connection,
        name: str,
        *,
        sampler: str,
        seed: int,
        global_batch_size: Optional[int],
        drop_last: bool,
        feedback_timeout: Optional[float] = None,
        copy_scores_from: str = "",
        time_to_live: Optional[float] = None,
        score_ema: Optional[Mapping[str, float]] = None,
    ) -> None:
        self._connection = connection
        self.name = name
        self.sampler = sampler
        self.seed = seed
        self.drop_last = drop_last
        self._durations = {"feedback_timeout": feedback_timeout, "time_to_live": time_to_live}
        self._copy_scores_from = copy_scores_from
        self._score_ema: Dict[str, float] = dict(score_ema or {})
        self._lock = threading.Lock()
        # Guarded by _lock.
        self._global_batch_size = global_batch_size
        self._known: Optional[RunInfo] = None

    def known(self) -> Optional[RunInfo]:
        """The run as it was when it was bound; None before. Asks nobody."""
        return self._known

    def known_batch_size(self) -> int:
        """The global batch size, 0 where only the server knows it; asks nobody."""
        return self._known.global_batch_size if self._known else self._global_batch_size or 0

    def identity(self) -> Dict[str, Any]:
        """What the state of a sampler says it belongs to; 0 for what only the server knows."""
        known = self._known
        return {
            "dataset": self.sampler.partition("/")[0],
            "sampler": self.sampler,
            "run": self.name,
            "dataset_uid": known.dataset_uid if known else 0,
            "sampler_uid": known.sampler_uid if known else 0,
            "run_uid": known.uid if known else 0,
            "seed": self.seed,
            "global_batch_size": self.known_batch_size(),
        }

    def set_global_batch_size(self, size: int) -> None:
        """Raises ValueError where it is another one already."""
        with self._lock:
            known = self.known_batch_size()
            if known not in (0, size):
                raise ValueError(f"global_batch_size {size} differs from the run's {known}")
            self._global_batch_size = size

    def get(self) -> RunInfo:
        """The run as it was when it was bound, which this does."""
        self._connection.check_process()
        with self._lock:
            if self._known is None:
                self._known = run_from(self._create())
            return self._known

    def fetch(
        self, *, timeout: Optional[float] = None, patience: Optional[float] = None
    ) -> RunInfo:
        """The run as the server has it now. Raises NotFound."""
        from subset.v1 import training_pb2

        return run_from(
            self._connection.call(
                self._connection.training.GetRun,
                training_pb2.GetRunRequest(name=self.name),
                timeout=timeout,
                patience=patience,
            )
        )

    def _create(self) -> Any:
        from subset.v1 import training_pb2

        size = self._global_batch_size
        if size is None:
            try:
                size = self.fetch().global_batch_size
            except NotFound:
                raise ValueError(
                    f"run {self.name!r} does not exist yet: give its global_batch_size to"
                    " client.run() or run.batch_sampler()"
                ) from None
        request = training_pb2.CreateRunRequest(
            name=self.name,
            sampler=self.sampler,
            seed=self.seed,
            global_batch_size=size,
            drop_last=self.drop_last,
            copy_scores_from=self._copy_scores_from,
            score_ema=self._score_ema,
        )
        for field, seconds in self._durations.items():
            if seconds is not None:
                getattr(request, field).CopyFrom(requests.duration(seconds))
        return self._connection.call(self._connection.training.CreateRun, request)
