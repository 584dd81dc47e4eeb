"""mtr for L2: a line for each hop of each way, updated in place; the same as a plain table where nobody watches."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.console import Group
from rich.table import Table
from rich.text import Text

from perfpath.escape import visible
from perfpath.render.colours import DIM, DOUBT, DROP, Colours
from perfpath.render.drops import NOT_RECORDED, tells_of_drops
from perfpath.render.hop_tree import HopTree, Node
from perfpath.render.places import UNKNOWN
from perfpath.render.quantities import count, duration

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console
    from rich.live import Live

    from perfpath.diagnostics import Diagnostics
    from perfpath.journeys.tracker import Update
    from perfpath.readers.recording import Info
    from perfpath.render.places import Namer
    from perfpath.render.summary import Tally

BARS = "▁▂▃▄▅▆▇█"  # ambiguous nowhere: block elements
PLAIN_BARS = "_.-=+*#@"
WIDE = 110  # cells: in less there is no room for deviations and the latest times
LEAST_DEVICE, LEAST_PLACE = 16, 9  # cells
FOOT = 7  # lines of a screen that are no hops: the head, remarks, the keys, an empty one, the cursor
NUMBERS = ("packets", "lost after", "last", "avg", "best", "worst")
SPARE = ("best", "worst", "last", "avg", "packets")
"""What a narrow terminal goes without, in this order: a number is shown whole or not at all."""


class TopWriter:
    """Counts journeys that have ended. On a terminal the screen follows; `pressed` takes the keys."""

    def __init__(self, console: Console, namer: Namer, info: Info) -> None:
        self._console = console
        self._namer = namer
        self._info = info
        self._tree = HopTree()
        self._colours = Colours()
        self._by_loss = False
        self._paused = False
        self._bars = BARS if console.encoding.startswith("utf") else PLAIN_BARS
        self._live: Live | None = None
        self._lock = Lock()
        self.below: Callable[[], list[str]] = list

    def show(self, update: Update) -> None:
        """Count the closed journeys, and redraw."""
        with self._lock:  # keys come from a thread of their own
            self._tree.add(update.closed)
        if self._console.is_terminal and not self._paused and len(update.closed.journeys):
            self._draw()

    def pressed(self, key: str) -> None:
        """A key: p pauses the screen (not the counting), s sorts by loss or by packets."""
        self._paused ^= key == "p"
        self._by_loss ^= key == "s"
        if self._live is not None:
            self._draw()

    def end(self, tally: Tally, diagnostics: Diagnostics) -> None:  # noqa: ARG002
        """Print the table as it stands."""
        if self._live is not None:
            self._live.stop()
        table = self.table()
        if not self._console.is_terminal:  # never cut what a program may read
            self._console.width = max(self._console.width, 400)
        self._console.print(table, soft_wrap=False)
        for remark in self._remarks():
            self._console.print(remark)

    def _draw(self) -> None:
        from rich.live import Live

        if self._live is None:
            self._live = Live(console=self._console, transient=True, refresh_per_second=4, vertical_overflow="ellipsis")
            self._live.start()
        with self._lock:
            screen = self._screen()
        self._live.update(Group(screen, *self._foot()))

    def _foot(self) -> list[Text]:
        """What stands below the hops: the command's last words, and what the keys do."""
        width = self._console.width
        said = [Text(line[-width:], DIM, no_wrap=True, overflow="crop") for line in self.below()]
        keys = f"q end   p {'go on' if self._paused else 'pause'}   s sort by {'packets' if self._by_loss else 'loss'}"
        return [*self._remarks(), Text(), *said, Text(keys, DIM, no_wrap=True, overflow="crop")]

    def _screen(self) -> Table:
        """As many hops as there is room for above the foot, and how many more there are."""
        return self.table(max(self._console.height - len(self.below()) - FOOT, 1))

    def table(self, most: int | None = None) -> Table:
        """The hops as they stand, the first `most` of them."""
        wide = not self._console.is_terminal or self._console.width >= WIDE
        gap = 2 if wide else 1
        table = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), header_style="bold")
        names = ["device", "namespace", *NUMBERS, *(("stdev", "latest") if wide else ())]
        rows = list(self._tree.lines(by_loss=self._by_loss))
        cells = [self._row(depth, node)[: len(names)] for depth, node in rows[:most]]
        for name in self._fitted(names, cells, gap):
            table.add_column(name, justify="right" if name in (*NUMBERS, "stdev") else "left", no_wrap=True)
        for row in cells:
            table.add_row(*row)
        if most is not None and len(rows) > most:
            table.caption = Text(f"... {len(rows) - most:,} more", DIM)
            table.caption_justify = "left"
        return table

    def _fitted(self, names: list[str], rows: list[list[Text]], gap: int) -> list[str]:
        """Make it fit into a terminal: devices and namespaces are cut, then columns go; gives the names left."""
        if not self._console.is_terminal:
            return names
        widths = [max(map(cell_len, (name, *(row[at].plain for row in rows)))) for at, name in enumerate(names)]
        over = sum(widths) + gap * (len(names) - 1) - self._console.width
        for at, least in ((0, LEAST_DEVICE), (1, LEAST_PLACE)):
            keep = max(widths[at] - max(over, 0), min(least, widths[at]))
            over -= widths[at] - keep
            for row in rows if keep < widths[at] else ():
                row[at].truncate(keep, overflow="ellipsis")
        for name in SPARE:
            if over > 0 and name in names:
                at = names.index(name)
                over -= widths.pop(at) + gap
                names = [*names[:at], *names[at + 1 :]]
                for row in rows:
                    del row[at]
        return names

    def _remarks(self) -> list[Text]:
        """What the table doesn't count."""
        midway = self._tree.midway
        known = (
            (self._tree.unseen, "dropped before any device saw it"),
            (self._tree.harmless, "dropped as on healthy hosts too: not counted as lost"),
            (self._tree.left_out, "of ways there was no room for"),
            (midway, "first seen midway, since events were lost: not in the table"),
            (
                self._tree.incomplete - midway,
                "that passed while events were lost: they may have come further than shown",
            ),
        )
        remarks = [Text(f"{count(number, 'packet')} {text}", DIM) for number, text in known if number]
        return remarks if tells_of_drops(self._info) else [*remarks, Text(NOT_RECORDED, DOUBT)]

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
