"""A table with a row for each packet: when, what, how long, and its whole path in a cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.measure import Measurement
from rich.padding import Padding
from rich.segment import Segment, Segments
from rich.table import Table as RichTable
from rich.text import Text

from perfpath.render.became import cells_of
from perfpath.render.colours import DOUBT, Colours
from perfpath.render.groups import bounds
from perfpath.render.hops import packets_of
from perfpath.render.limits import Limit
from perfpath.render.packet import around
from perfpath.render.paths import Path, steps_of
from perfpath.render.quantities import duration

if TYPE_CHECKING:
    from rich.console import Console

    from perfpath.diagnostics import Diagnostics
    from perfpath.journeys.tracker import Update
    from perfpath.render.clock import Clock
    from perfpath.render.hops import Packet
    from perfpath.render.places import Namer
    from perfpath.render.summary import Tally
    from perfpath.tables import Table


OPTIONAL = ("became", "what")  # columns that are there only where something is known
NARROW = 80  # cells: in less, a path would be folded into a tower


class TableWriter:
    """Collects the rows of journeys that ended, and prints them at the end.

    limit: keep the first so many, and say how many more there were; None for all.
    """

    def __init__(self, console: Console, namer: Namer, clock: Clock, *, limit: int | None = None) -> None:
        self._console = console
        self._namer = namer
        self._clock = clock
        self._limit = Limit(limit)
        self._colours = Colours()
        self._rows: list[tuple[list[Text], Text]] = []

    def show(self, update: Update) -> None:
        """Take the closed journeys."""
        shown = self._limit.first(update.closed)
        edges = bounds(shown.hops, shown.journeys).tolist()
        became = cells_of(shown.journeys)
        for packet, end, begin, stop in zip(packets_of(shown.journeys), became, edges, edges[1:], strict=False):
            self._rows.append(self._row(packet, end, shown.hops.take(slice(begin, stop))))

    def end(self, tally: Tally, diagnostics: Diagnostics) -> None:  # noqa: ARG002
        """Print the table."""
        if self._console.is_terminal and self._console.width < NARROW:
            self._print_narrow()
        else:
            self._print_wide()
        if self._limit.remark:
            self._console.print(Text(self._limit.remark, DOUBT))

    def _print_wide(self) -> None:
        table = _table()
        rows = self._told(table)
        table.add_column("path", overflow="fold")
        for cells, path in rows:
            table.add_row(*cells, path)
        if not self._console.is_terminal:  # never cut or fold what a program may read
            widest = Measurement.get(self._console, self._console.options.update(width=10**6), table).maximum
            self._console.width = max(self._console.width, widest)
        self._console.print(table, soft_wrap=False)

    def _told(self, table: RichTable) -> list[tuple[list[Text], Text]]:
        """The rows; what became of the packets, and what they are, have columns only where one is known."""
        width = len(table.columns)
        shown = [at for at in range(len(OPTIONAL)) if any(cells[width + at] for cells, _ in self._rows)]
        for at in shown:
            table.add_column(OPTIONAL[at], overflow="fold")
        return [([*cells[:width], *(cells[width + at] for at in shown)], path) for cells, path in self._rows]

    def _print_narrow(self) -> None:
        """Paths have lines of their own."""
        table = _table()
        for cells, _ in self._told(table):
            table.add_row(*cells)
        lines = self._console.render_lines(table, pad=False)
        paths = [Text("path"), *(path for _, path in self._rows)]
        for line, path in zip(lines, paths, strict=True):
            self._console.print(Segments([*line, Segment.line()]))
            self._console.print(Padding(path, (0, 0, 0, 4)), soft_wrap=False)

    def _row(self, packet: Packet, became: str, hops: Table) -> tuple[list[Text], Text]:
        span = duration(packet.end_ns - packet.start_ns)
        path = self._path(Path(steps_of(hops)))
        if packet.doubt:
            path.append(f"  {packet.doubt.partition(':')[0]}", DOUBT)
        numbers = (str(packet.journey), self._clock.text(packet.start_ns), str(packet.hops), span)
        peer = str(packet.peer) if packet.peer >= 0 else ""
        wrapped = [f"in {each}" for each in dict.fromkeys(around(hops)) if each]
        what = "  ".join(filter(None, (packet.descent, packet.words, *wrapped)))
        return [Text(cell) for cell in (*numbers, packet.role, peer, became, what)], path

    def _path(self, path: Path) -> Text:
        text = Text()
        space = None
        for place in path.places(self._namer):
            text.append(" > " if text else "")
            if place.space != space:
                text.append(f"[{place.space}] ", self._colours.of(place.space))
            text.append(place.dev)
            space = place.space
        return text


def _table() -> RichTable:
    table = RichTable(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("packet", "time", "hops", "duration"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("role", no_wrap=True)
    table.add_column("peer", justify="right", no_wrap=True)
    return table
