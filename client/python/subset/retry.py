"""How long to keep trying while the server is away."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from typing import Callable, Optional


@dataclass(frozen=True)
class Retry:
    """Exponential backoff with full jitter, on UNAVAILABLE only.

    `patience` bounds a training call (batches, feedback, epochs), `control_patience` every other,
    in seconds since the first failure; 0 fails at once. The default patience lies below the ten
    minutes after which process groups give up. A wait ends early when the connection is back.
    `sleep`, `clock` and `uniform` are for tests.
    """

    patience: float = 480.0
    control_patience: float = 20.0
    initial_backoff: float = 0.1
    max_backoff: float = 0.75
    sleep: Optional[Callable[[float], None]] = field(default=None, repr=False)
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)
    uniform: Callable[[], float] = field(default=random.random, repr=False)

    def __post_init__(self) -> None:
        for name in ("patience", "control_patience", "initial_backoff", "max_backoff"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} {getattr(self, name)} is negative")


class Outage:
    """One outage: counts its attempts and says when to stop. Not thread-safe."""

    def __init__(
        self, retry: Retry, patience: float, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._retry = retry
        self._patience = patience
        self._sleep = retry.sleep or sleep
        self._began = 0.0
        self.attempts = 0

    def wait(self) -> bool:
        """Sleeps before the next attempt; False when patience has run out."""
        now = self._retry.clock()
        if self.attempts == 0:
            self._began = now
        left = self._patience - (now - self._began)
        if left <= 0:
            return False
        longest = min(
            self._retry.max_backoff, self._retry.initial_backoff * 2 ** min(self.attempts, 30)
        )
        self.attempts += 1
        self._sleep(min(left, longest * self._retry.uniform()))
        return True

    def over(self) -> None:
        """The server answered: the next failure begins a new outage."""
        self.attempts = 0
