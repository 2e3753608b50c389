"""Whether to choose by importance: only where that saves more than scoring the pool costs."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np


class ImportanceSwitch:
    """Katharopoulos & Fleuret 2018, algorithm 1: importance sampling that starts when it pays.

        for batch, draw in select_batches(loader, run, score, switch=ImportanceSwitch()):

    Of candidates U with scores s and g = s / sum(s), a draw in proportion to s is about as good as
    a uniform one of sqrt(|U| sum g^2) times as many. `tau` is that number smoothed over steps:
    tau <- momentum tau + (1 - momentum) sqrt(|U| sum g^2). The switch is `on` while tau is above
    `threshold`; None: the paper's, (B + 3 b) / (3 b) for b kept of a pool of B, by which scoring
    the pool costs less than that many more, a backward pass being as dear as two forward ones.

    Not thread-safe. A job that goes on from a checkpoint passes the `tau` it had.
    """

    def __init__(
        self, threshold: Optional[float] = None, *, momentum: float = 0.9, tau: float = 0.0
    ) -> None:
        if threshold is not None and not threshold >= 1:
            raise ValueError(f"threshold {threshold} is not >= 1, which any scores reach")
        if not 0 <= momentum < 1:
            raise ValueError(f"momentum {momentum} is outside [0, 1)")
        if not (tau >= 0 and np.isfinite(tau)):
            raise ValueError(f"tau {tau} is outside [0, infinity)")
        self.threshold = threshold
        self.momentum = momentum
        self.tau = tau
        self._cost = np.inf  # (B + 3 b) / (3 b) of the last step

    @property
    def on(self) -> bool:
        """Whether the next pool is to be scored and chosen from."""
        return self.tau > (self._cost if self.threshold is None else self.threshold)

    def update(self, scores: Any, *, pool: int, kept: int) -> None:
        """After a step: the scores of its candidates, the size of its pool, how many were kept.

        Raises ValueError for a score that is not finite and >= 0, and where none was kept, as rules
        that keep no number may: what scoring such pools costs has no bound.
        """
        if kept < 1:
            raise ValueError(f"kept {kept} of a pool of {pool} is below 1")
        s = np.asarray(scores, np.float64)
        if not (np.isfinite(s) & (s >= 0)).all():
            wrong = s[~(np.isfinite(s) & (s >= 0))][0]
            raise ValueError(f"score {wrong} is outside [0, infinity)")
        largest = s.max()
        g = s / largest if largest > 0 else np.ones(len(s))  # alike where nothing is preferred
        ratio = float(np.sqrt(len(g) * np.square(g).sum()) / g.sum())
        self.tau = self.momentum * self.tau + (1 - self.momentum) * ratio
        self._cost = (pool + 3 * kept) / (3 * kept)
