"""Where the time goes: for each distinct path, each step over all packets that took it.

3 packets   [host] docker0 > vetha373ab6 > [web] eth0
  step                   count      min   median      p90      p99      max  stdev  share
  docker0 > vetha373ab6      3  4.00 us  4.00 us  4.00 us  4.00 us  4.00 us   0 ns    22%  ####
  vetha373ab6 > eth0         3  14.0 us  14.0 us  14.0 us  14.0 us  14.0 us   0 ns    78%  ################
  in host                    3  4.00 us  4.00 us  4.00 us  4.00 us  4.00 us   0 ns    22%  ####
  the whole way              3  18.0 us  18.0 us  18.0 us  18.0 us  18.0 us   0 ns   100%  ####################
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from perfpath.escape import visible
from perfpath.render.cells import ljust, rjust
from perfpath.render.colours import DIM
from perfpath.render.groups import bounds
from perfpath.render.line import Line, printable
from perfpath.render.paths import Path, Step, steps_of
from perfpath.render.places import UNKNOWN
from perfpath.render.quantities import count, duration
from perfpath.tables import distinct

if TYPE_CHECKING:
    from rich.console import Console

    from perfpath.diagnostics import Diagnostics
    from perfpath.journeys.tracker import Result, Update
    from perfpath.render.places import Namer
    from perfpath.render.summary import Tally
    from perfpath.tables import Array

WAITS = {"queue_ns": "queue of", "xmit_ns": "driver of", "backlog_ns": "backlog behind"}
"""What companions tell of a hop's device, by the column of HOPS. It overlaps the steps, and can outlast them."""
HEADER = ("count", "min", "median", "p90", "p99", "max", "stdev", "share")
BAR = 20  # cells of a bar that stands for the whole way
PATHS_SHOWN = 20


class Spread(NamedTuple):
    """How a step's times are spread, in ns; share: of the whole way's time, 0 to 1, -1 where it is no part of it."""

    packets: int
    low: int
    median: int
    p90: int
    p99: int
    high: int
    deviation: int
    share: float = -1.0


class Latencies:
    """The times of all steps of one distinct path. columns: names of HOPS to arrays of (packets, hops)."""

    def __init__(self) -> None:
        self._pieces: dict[str, list[Array]] = {}

    def add(self, name: str, times: Array) -> None:
        """Take the times of some more packets."""
        self._pieces.setdefault(name, []).append(times)

    def of(self, name: str, hop: int) -> Array:
        """All times in a column at a hop; what isn't known is left out."""
        pieces = [each[:, hop] for each in self._pieces.get(name, ())]
        times = np.concatenate(pieces) if pieces else np.zeros(0, dtype=np.int64)
        known: Array = times[times >= 0]
        return known

    @property
    def packets(self) -> int:
        """How many packets took the path."""
        return sum(len(each) for each in self._pieces["delta_ns"])


def spread_of(times: Array, whole: int = 0) -> Spread:
    """The spread of at least one time. whole: the sum of the times of the way it is part of, 0 for none.

    Percentiles are times that occurred: the smallest that so many percent do not exceed.
    """
    p50, p90, p99 = np.percentile(times, [50, 90, 99], method="inverted_cdf").tolist()
    low, high, total = int(times.min()), int(times.max()), int(times.sum())
    deviation = round(float(np.std(times.astype(np.float64))))
    return Spread(len(times), low, p50, p90, p99, high, deviation, total / whole if whole else -1.0)


class LatencyWriter:
    """Collects the times of journeys that have ended, and shows them at the end."""

    def __init__(self, console: Console, namer: Namer) -> None:
        self._console = console
        self._namer = namer
        self._paths: dict[tuple[Step, ...], Latencies] = {}
        self._full = "\N{FULL BLOCK}" if console.encoding.startswith("utf") else "#"

    def show(self, update: Update) -> None:
        """Take the closed journeys."""
        result = update.closed
        journeys, edges = result.journeys, bounds(result.hops, result.journeys)
        rows = np.flatnonzero(journeys["hops"] > 1)
        for path in distinct(journeys["path"][rows]).tolist():
            mine = rows[journeys["path"][rows] == path]
            self._add(result, edges[mine], int(journeys["hops"][mine[0]]))

    def _add(self, result: Result, starts: Array, hops: int) -> None:
        steps = steps_of(result.hops.take(slice(int(starts[0]), int(starts[0]) + hops)))
        known = self._paths.setdefault(steps, Latencies())
        at = starts[:, None] + np.arange(hops)
        for name in ("delta_ns", *WAITS):
            known.add(name, result.hops[name][at])

    def end(self, tally: Tally, diagnostics: Diagnostics) -> None:  # noqa: ARG002
        """Show the tables, that of the path most travelled first."""
        paths = sorted(self._paths.items(), key=lambda each: -each[1].packets)
        lines = [line for steps, known in paths[:PATHS_SHOWN] for line in self._path(steps, known)]
        if len(paths) > PATHS_SHOWN:
            lines.append(Line().add(f"... and {count(len(paths) - PATHS_SHOWN, 'more path')}"))
        if lines:
            text = "times on perf's clock, which is one for all CPUs; its digits are nanoseconds"
            lines += [Line().add(text, DIM), Line()]
        self._console.print(printable(lines), end="")

    def _path(self, steps: tuple[Step, ...], known: Latencies) -> list[Line]:
        rows = self._rows(steps, known)
        names = max(len("step"), *(len(name) for name, _ in rows))
        cells = [HEADER, *(_cells(spread) for _, spread in rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = [
            Line().add(count(known.packets, "packet"), "bold").add("", column=2).add(Path(steps).line(self._namer))
        ]
        for name, row, spread in zip(
            ("step", *(n for n, _ in rows)), cells, (None, *(s for _, s in rows)), strict=True
        ):
            line = Line(2).add("  ".join([ljust(name, names), *map(rjust, row, widths)]), "" if spread else DIM)
            if spread is not None and spread.share > 0:
                line.add("", column=2).add(self._full * round(spread.share * BAR))
            lines.append(line)
        return [*lines, Line()]

    def _rows(self, steps: tuple[Step, ...], known: Latencies) -> list[tuple[str, Spread]]:
        """The steps and what is known of the waits in them, and the whole way."""
        every = [known.of("delta_ns", hop) for hop in range(1, len(steps))]
        total = np.sum(every, axis=0)
        whole = int(total.sum())
        rows: list[tuple[str, Spread]] = []
        for hop, (step, to) in enumerate(pairwise(steps)):
            rows.append((f"{_name(step)} > {_name(to)}", spread_of(every[hop], whole)))
            rows += self._waits(known, hop, step)
        rows += self._waits(known, len(steps) - 1, steps[-1])
        rows += self._inside(steps, every, whole)
        return [*rows, ("the whole way", spread_of(total, whole))]

    def _inside(self, steps: tuple[Step, ...], every: list[Array], whole: int) -> list[tuple[str, Spread]]:
        """The time in each namespace where the packets were seen twice in a row: between its devices, no crossings."""
        spent: dict[str, Array] = {}
        for times, (step, to) in zip(every, pairwise(steps), strict=True):
            if step.netns and step.netns == to.netns:
                label = self._namer.label(step.netns, step.name)
                spent[label] = spent[label] + times if label in spent else times
        return [(f"in {label}", spread_of(times, whole)) for label, times in spent.items()]

    def _waits(self, known: Latencies, hop: int, step: Step) -> list[tuple[str, Spread]]:
        times = {text: known.of(column, hop) for column, text in WAITS.items()}
        return [(f"  {text} {_name(step)}", spread_of(each)) for text, each in times.items() if len(each)]


def _name(step: Step) -> str:
    return visible(step.dev or UNKNOWN)


def _cells(spread: Spread) -> tuple[str, ...]:
    times = (duration(number) for number in spread[1:7])
    return (f"{spread.packets:,}", *times, f"{spread.share:.0%}" if spread.share >= 0 else "")
