"""How long EVENTS take to become HOPS and JOURNEYS, beside the floor: sorting them and gathering their columns once.

scripts/bench_journeys.py RECORDING [--rounds N]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from typing import TYPE_CHECKING

import numpy as np

from perfpath.diagnostics import Diagnostics
from perfpath.journeys.sightings import address_order
from perfpath.journeys.tracker import Tracker, follow
from perfpath.readers.source import open_recording
from perfpath.tables import Table, concatenated

if TYPE_CHECKING:
    from collections.abc import Callable

BATCH = 65_536


def floor(events: Table) -> None:
    """What can't be avoided: one sort by address, one gathering of every column."""
    order = address_order(events["skbaddr"])
    for column in events.columns.values():
        if column.strides != (0,):
            column[order]


def gathered(events: Table) -> Table:
    """All hops with all their columns, which else are made when somebody asks for them."""
    return follow(events, None, Diagnostics()).hops.made()


def streamed(events: Table) -> None:
    """The same journeys, batch by batch."""
    tracker = Tracker(None, Diagnostics())
    for start in range(0, len(events), BATCH):
        tracker.feed(events.take(slice(start, start + BATCH)))
    tracker.close()


def measure(rounds: int, works: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Median CPU seconds of each, interleaved."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            before = time.process_time()
            work()
            times[name].append(time.process_time() - before)
    return {name: statistics.median(each) for name, each in times.items()}


def main() -> None:
    """Read, measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("recording")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    events = concatenated(list(open_recording(given.recording).batches()))
    works: dict[str, Callable[[], object]] = {
        "floor": lambda: floor(events),
        "follow": lambda: follow(events, None, Diagnostics()),
        "all columns": lambda: gathered(events),
        "streamed": lambda: streamed(events),
    }
    times = measure(given.rounds, works)
    per_million = 1e6 / max(1, len(events))
    for name, seconds in times.items():
        line = (
            f"{name:>12}: {seconds * per_million:6.3f} s per million events  x{seconds / times['floor']:5.1f} floor\n"
        )
        sys.stdout.write(line)


if __name__ == "__main__":
    np.seterr(over="ignore")
    main()
