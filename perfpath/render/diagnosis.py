"""Only what went wrong: each kind of drop once, with how many packets, what it means and what to look at next."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from perfpath.render.colours import DIM, DOUBT, DROP
from perfpath.render.drops import NOT_RECORDED, drops_of, tells_of_drops
from perfpath.render.line import Line, printable
from perfpath.render.quantities import count

if TYPE_CHECKING:
    from rich.console import Console

    from perfpath.diagnostics import Diagnostics
    from perfpath.journeys.tracker import Update
    from perfpath.readers.recording import Info
    from perfpath.render.drops import Drop
    from perfpath.render.places import Namer
    from perfpath.render.summary import Tally

EXAMPLES = 4


class DiagnosisWriter:
    """Counts the drops of journeys that have ended, and shows them at the end: the worst first, the harmless last."""

    def __init__(self, console: Console, namer: Namer, info: Info) -> None:
        self._console = console
        self._namer = namer
        self._info = info
        self._counts: Counter[Drop] = Counter()
        self._examples: dict[Drop, list[int]] = {}

    def show(self, update: Update) -> None:
        """Count the closed journeys."""
        kinds, rows, codes = drops_of(update.closed, self._namer)
        journeys = update.closed.journeys["journey"]
        for number, drop in enumerate(kinds):
            mine = rows[codes == number]
            self._counts[drop] += len(mine)
            known = self._examples.setdefault(drop, [])
            known += journeys[mine[: EXAMPLES - len(known)]].tolist()

    def end(self, tally: Tally, diagnostics: Diagnostics) -> None:  # noqa: ARG002
        """Show what was counted."""
        lines: list[Line] = []
        for drop, packets in sorted(self._counts.items(), key=lambda each: (each[0].harmless, -each[1])):
            lines += [*self._kind(drop, packets), Line()]
        if not tells_of_drops(self._info):
            lines += [Line().add(NOT_RECORDED, DOUBT), Line()]
        elif not lines:
            lines = [Line().add("no packet was seen to be dropped", "bold"), Line()]
        self._console.print(printable(lines), end="")

    def _kind(self, drop: Drop, packets: int) -> list[Line]:
        style = DOUBT if drop.harmless else DROP
        first = Line().add(f"{count(packets, 'packet')}  ", "bold", 12).add(drop.title, style)
        where = Line(4).add(drop.after)
        if drop.sender:
            where.add(f", sent by {drop.sender}")
        examples = ", ".join(map(str, self._examples[drop]))
        more = ", ..." if packets > len(self._examples[drop]) else ""
        where.add(f"  (packet{'s' if packets > 1 else ''} {examples}{more})", DIM)
        lines = [first, where, Line(4).add(drop.meaning)]
        if drop.harmless:
            lines.append(Line(4).add("seen on healthy hosts too", DIM))
        return lines + [Line(4).add("- ", DIM).add(text) for text in drop.look]
