"""The clocks of packet sockets and of perf.

Sockets stamp with CLOCK_REALTIME, perf with CLOCK_MONOTONIC. Both run at one rate; between two steps of the wall
clock their difference is one number of nanoseconds, which every pair of readings narrows down.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

READINGS = 64


@dataclass(slots=True)
class Offset:
    """CLOCK_REALTIME minus CLOCK_MONOTONIC lies between these, ns. steps: how often the wall clock was set."""

    low: int = -(2**62)
    high: int = 2**62
    steps: int = 0

    def measure(self, readings: int = READINGS) -> int:
        """Read the clocks so often; returns what to subtract from real times."""
        low, high = _bounds(readings)
        if low > self.high or high < self.low:  # what was known is no longer true
            self.steps += 1
            self.low, self.high = low, high
        self.low, self.high = max(self.low, low), min(self.high, high)
        return self.now

    @property
    def now(self) -> int:
        """The best estimate; half the distance of the bounds is its error at most."""
        return (self.low + self.high) // 2


def _bounds(readings: int) -> tuple[int, int]:
    low, high = -(2**62), 2**62
    for _ in range(readings):
        before = time.monotonic_ns()
        real = time.time_ns()
        after = time.monotonic_ns()
        low, high = max(low, real - after), min(high, real - before)
    return (low, high) if low <= high else (high, low)
