"""mtr for L2: a line for each hop of each way, updated in place; the same as a plain table where nobody watches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from perfpath.escape import visible
from perfpath.render.colours import DIM, DROP, Colours
from perfpath.render.hop_tree import HopTree, Node
from perfpath.render.places import UNKNOWN
from perfpath.render.quantities import count, duration

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live

    from perfpath.diagnostics import Diagnostics
    from perfpath.journeys.tracker import Update
    from perfpath.render.places import Namer
    from perfpath.render.summary import Tally

BARS = "▁▂▃▄▅▆▇█"  # ambiguous nowhere: block elements
PLAIN_BARS = "_.-=+*#@"
WIDE = 110  # cells: in less there is no room for the latest times
NUMBERS = ("packets", "lost after", "last", "avg", "best", "worst", "stdev")


class TopWriter:
    """Counts journeys that have ended. On a terminal the screen follows; `pressed` takes the keys."""

    def __init__(self, console: Console, namer: Namer) -> None:
        self._console = console
        self._namer = namer
        self._tree = HopTree()
        self._colours = Colours()
        self._by_loss = False
        self._paused = False
        self._bars = BARS if console.encoding.startswith("utf") else PLAIN_BARS
        self._live: Live | None = None

    def show(self, update: Update) -> None:
        """Count the closed journeys, and redraw."""
        self._tree.add(update.closed)
        if self._console.is_terminal and not self._paused and len(update.closed.journeys):
            self._draw()

    def pressed(self, key: str) -> None:
        """A key: p pauses the screen (not the counting), s sorts by loss or by packets."""
        self._paused ^= key == "p"
        self._by_loss ^= key == "s"
        if self._live is not None and not self._paused:
            self._draw()

    def end(self, tally: Tally, diagnostics: Diagnostics) -> None:  # noqa: ARG002
        """Print the table as it stands."""
        if self._live is not None:
            self._live.stop()
        table = self.table()
        if not self._console.is_terminal:  # never cut what a program may read
            self._console.width = max(self._console.width, 400)
        self._console.print(table, soft_wrap=False)

    def _draw(self) -> None:
        from rich.live import Live

        if self._live is None:
            self._live = Live(console=self._console, transient=True, refresh_per_second=4, vertical_overflow="ellipsis")
            self._live.start()
        self._live.update(self.table())

    def table(self) -> Table:
        """The hops as they stand."""
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        table.add_column("device", no_wrap=True)
        table.add_column("namespace", no_wrap=True)
        for name in NUMBERS:
            table.add_column(name, justify="right", no_wrap=True)
        wide = not self._console.is_terminal or self._console.width >= WIDE
        if wide:
            table.add_column("latest", no_wrap=True)
        for depth, node in self._tree.lines(by_loss=self._by_loss):
            table.add_row(*self._row(depth, node)[: None if wide else -1])
        for number, text in (
            (self._tree.unseen, "dropped before any device saw it"),
            (self._tree.left_out, "ways there was no room for"),
        ):
            if number:
                table.add_row(Text(f"({count(number, 'packet')}: {text})", DIM))
        return table

    def _row(self, depth: int, node: Node) -> list[Text]:
        assert node.step is not None  # noqa: S101 - only the root has none, and it is no line
        place = self._namer.label(node.step.netns, node.step.name)
        out = node.step.direction == "tx"
        device = f"{'  ' * depth}{'' if out else '> '}{visible(node.step.dev or UNKNOWN)}{' >' if out else ''}"
        lost = f"{node.lost:,} ({node.lost / node.packets:.0%})" if node.lost else "0"
        cells = [Text(device), Text(place, self._colours.of(place)), Text(f"{node.packets:,}")]
        cells.append(Text(lost, DROP if node.lost else ""))
        if not depth:
            return [*cells, *([Text("")] * 6)]
        times = (node.latest[-1], round(node.mean), node.best, node.worst, round(node.deviation))
        return [*cells, *(Text(duration(time)) for time in times), Text(self._spark(node), DIM)]

    def _spark(self, node: Node) -> str:
        high = max(node.latest) or 1
        return "".join(self._bars[min(time * len(self._bars) // high, len(self._bars) - 1)] for time in node.latest)
