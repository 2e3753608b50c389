"""How long to keep trying while the server is away."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from typing import Callable


@dataclass(frozen=True)
class Retry:
    """Exponential backoff with full jitter, on UNAVAILABLE only.

    `patience` bounds a training call (batches, feedback, epochs), `control_patience` every other,
    in seconds since the first failure; 0 fails at once. The default patience lies below the ten
    minutes after which process groups give up; with the default max_backoff, and the second that a
    channel takes to connect again, a call goes on within 2 s of the server's return. `sleep`,
    `clock` and `uniform` are for tests.
    """

    patience: float = 480.0
    control_patience: float = 20.0
    initial_backoff: float = 0.1
    max_backoff: float = 0.75
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)
    uniform: Callable[[], float] = field(default=random.random, repr=False)

    def __post_init__(self) -> None:
        for name in ("patience", "control_patience", "initial_backoff", "max_backoff"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} {getattr(self, name)} is negative")


class Outage:
    """One outage: counts its attempts and says when to stop. Not thread-safe."""

    def __init__(self, retry: Retry, patience: float) -> None:
        self._retry = retry
        self._patience = patience
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
        self._retry.sleep(min(left, longest * self._retry.uniform()))
        return True

    def over(self) -> None:
        """The server answered: the next failure begins a new outage."""
        self.attempts = 0
