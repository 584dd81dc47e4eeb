"""The end of every output: how many packets took how many paths, what was lost, and what is doubtful."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from perfpath.escape import visible
from perfpath.render import became
from perfpath.render.cells import rjust
from perfpath.render.drops import DROPPED, harmless_rows
from perfpath.render.paths import PathBook
from perfpath.render.places import UNKNOWN
from perfpath.render.quantities import count, duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfpath.diagnostics import Diagnostics, Loss, Note
    from perfpath.journeys.tracker import Result, Update
    from perfpath.render.console import Sink
    from perfpath.render.paths import Path
    from perfpath.render.places import Namer

DEVICES_NAMED = REASONS_NAMED = 3


class Line(NamedTuple):
    """A line and its weight: "error", "warning", "info", or "" for plain facts."""

    weight: str
    text: str


class Tally:
    """What the summary counts, over all journeys that have ended. timed: how long each took is kept too."""

    def __init__(self, *, timed: bool = True) -> None:
        self.paths = PathBook(timed=timed)
        self.packets = 0
        self.hops = 0
        self.incomplete = 0
        self.uncertain = 0
        self.unlocated: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()
        self.ends: Counter[str] = Counter()

    def add(self, result: Result) -> None:
        """Count journeys; each must come once."""
        self.paths.add(result)
        self.packets += len(result.journeys)
        self.hops += len(result.hops)
        uncertain = result.journeys["uncertain"]
        self.incomplete += int(np.count_nonzero(~result.journeys["complete"] & ~uncertain))
        self.uncertain += int(np.count_nonzero(uncertain))
        self._add_drops(result)
        self.ends.update(became.counts_of(result))
        nowhere = result.hops["dev"][(result.hops["netns"] == 0) & (result.hops["netns_name"] < 0)]
        for code, hops in zip(*np.unique(nowhere, return_counts=True), strict=True):
            self.unlocated[visible(result.hops.names["dev"][code] or UNKNOWN)] += int(hops)

    def _add_drops(self, result: Result) -> None:
        """Count the drops by reason; those of healthy hosts too are no news."""
        journeys = result.journeys
        dropped = journeys["outcome"] == journeys.names["outcome"].find(DROPPED)
        rows = dropped & (journeys["outcome"] >= 0) & ~harmless_rows(result)
        names = journeys.names["reason"]
        for code, packets in enumerate(np.bincount(journeys["reason"][rows] + 1).tolist(), -1):
            if packets:
                self.dropped[visible(names[code] or "") or "no reason recorded"] += packets


class SummaryWriter:
    """Shows nothing until the end, then a table of the distinct paths."""

    def __init__(self, stream: Sink, namer: Namer) -> None:
        self._stream = stream
        self._namer = namer

    def show(self, update: Update) -> None:
        """Nothing: the tally has it."""

    def end(self, tally: Tally, diagnostics: Diagnostics) -> None:  # noqa: ARG002
        """Write the table."""
        texts = table(tally.paths.common(), self._namer)
        self._stream.write("".join(f"{text}\n" for text in texts))
        self._stream.flush()


def table(paths: list[Path], namer: Namer) -> list[str]:
    """The distinct paths, with counts and durations from first to last hop; the most travelled first."""
    if not paths:
        return []
    rows: list[tuple[str, ...]] = [("packets", "role", "min", "median", "max", "path")]
    for path in paths:
        spans = np.concatenate(path.durations)
        times = (int(spans.min()), round(float(np.median(spans))), int(spans.max()))
        role = "/".join(visible(role) or "-" for role in sorted(path.roles, reverse=True))
        rows.append((f"{path.packets:,}", role, *map(duration, times), path.line(namer)))
    widths = [max(map(len, column)) for column in list(zip(*rows, strict=True))[:-1]]
    texts = ["  ".join([*map(rjust, row[:-1], widths), row[-1]]) for row in rows]
    return [*texts, ""]


def lines(
    tally: Tally,
    diagnostics: Diagnostics,
    seen: int | None = None,
    *,
    verbose: bool = True,
    remarks: Sequence[str] = (),
) -> list[Line]:
    """One line of totals, then the losses and notes; seen: how many packets there were before a filter.

    Without verbose, notes that only inform are counted instead. remarks: what else the line of totals says.
    """
    packets = f"{tally.packets:,} of {seen:,} packets" if seen is not None else count(tally.packets, "packet")
    parts = [packets, count(tally.hops, "hop"), count(len(tally.paths), "distinct path"), _lost(diagnostics)]
    weight = "warning" if diagnostics.losses or tally.incomplete or tally.dropped else ""
    if tally.unlocated:
        parts.append(f"not located: {count(tally.unlocated.total(), 'hop')} ({_devices(tally.unlocated)})")
    elif tally.hops:
        parts.append("all located")
    if tally.dropped:
        named = ", ".join(f"{reason} {packets:,}" for reason, packets in tally.dropped.most_common(REASONS_NAMED))
        more = ", ..." if len(tally.dropped) > REASONS_NAMED else ""
        parts.append(f"dropped: {count(tally.dropped.total(), 'packet')} ({named}{more})")
    if tally.incomplete:
        parts.append(f"incomplete: {count(tally.incomplete, 'packet')}")
    if tally.uncertain:
        parts.append(f"uncertain: {count(tally.uncertain, 'packet')}")
    parts += remarks
    found = [Line(weight, ", ".join(parts)), *_ends(tally.ends), *_losses(diagnostics.losses)]
    quiet = [note for note in diagnostics.notes.values() if note.severity == "info" and not verbose]
    for note in diagnostics.notes.values():
        if note not in quiet:
            found += _note(note)
    if quiet:
        found.append(Line("info", f"{count(len(quiet), 'remark')} on how this was found out: -v shows them"))
    return found


def _ends(ends: Counter[str]) -> list[Line]:
    """What became of all packets, each counted once; nothing where no end is known."""
    if not ends.keys() - {became.UNSEEN}:
        return []
    order = [each for each, _ in ends.most_common() if each != became.UNSEEN]
    order += [became.UNSEEN] if ends[became.UNSEEN] else []
    return [Line("", "what became of them: " + ", ".join(f"{each} {ends[each]:,}" for each in order))]


def _lost(diagnostics: Diagnostics) -> str:
    some = any(not loss.count for loss in diagnostics.losses)
    return f"lost: {'at least ' if some else ''}{diagnostics.lost:,}"


def _devices(unlocated: Counter[str]) -> str:
    named = [dev for dev, _ in unlocated.most_common(DEVICES_NAMED)]
    rest = len(unlocated) - len(named)
    return ", ".join(named) + (f" and {count(rest, 'other device')}" if rest else "")


def _losses(losses: list[Loss]) -> list[Line]:
    if not losses:
        return []
    by_cpu: Counter[int] = Counter()
    for loss in losses:
        by_cpu[loss.cpu] += loss.count
    where = ", ".join(f"cpu {cpu if cpu >= 0 else UNKNOWN}: {events:,}" for cpu, events in sorted(by_cpu.items()))
    return [
        Line("warning", f"warning: events were lost ({where}): packets may be missing or look shorter than they were")
    ]


def _note(note: Note) -> list[Line]:
    times = f" ({note.count:,} times)" if note.count > 1 else ""
    texts = [f"{note.severity}: {visible(note.message)}{times}"]
    texts += [f"    such as: {visible(example)}" for example in note.examples]
    texts += [f"    {visible(note.advice)}"] if note.advice else []
    return [Line(note.severity, text) for text in texts]
