"""Which stretches of time a loss of events makes doubtful."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfpath.diagnostics import Loss
    from perfpath.tables import Array

ANY_CPU = -1
_EVER = np.iinfo(np.int64)


class Losses:
    """All losses of a recording, ready to be asked about many stretches at once.

    anywhere: there are losses of which nobody knows when they were: every journey is doubtful, none is cut for them.
    """

    def __init__(self, losses: Sequence[Loss]) -> None:
        self.anywhere = any(loss.start_ns is None and loss.end_ns is None for loss in losses)
        spans: dict[int, list[tuple[int, int]]] = {}
        for loss in losses:
            if loss.start_ns is None and loss.end_ns is None:
                continue
            start = _EVER.min if loss.start_ns is None else loss.start_ns
            end = _EVER.max if loss.end_ns is None else loss.end_ns
            spans.setdefault(loss.cpu, []).append((start, end))
        self._spans = {cpu: _merged(of_cpu) for cpu, of_cpu in spans.items()}

    def __bool__(self) -> bool:
        return bool(self._spans) or self.anywhere

    def overlap(self, start_ns: Array, end_ns: Array, cpu: Array) -> Array:
        """True for each stretch in which something was lost on that CPU, or on one nobody knows."""
        hit = np.zeros(len(start_ns), dtype=bool)
        for lost_cpu, (starts, ends) in self._spans.items():
            first = np.searchsorted(ends, start_ns)  # the first loss that ends at or after the stretch's start
            found = first < len(starts)
            found[found] = starts[first[found]] <= end_ns[found]
            hit |= found if lost_cpu == ANY_CPU else found & ((cpu == lost_cpu) | (cpu == ANY_CPU))
        return hit


def _merged(spans: list[tuple[int, int]]) -> tuple[Array, Array]:
    """Starts and ends of the same time in stretches that don't overlap, in order."""
    merged: list[list[int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([start, end])
    array = np.array(merged, dtype=np.int64)
    return array[:, 0], array[:, 1]
