"""Journeys for people: a header for each packet and a line for each place it was seen, as it happens.

packet 0  request, answered by 1  98 bytes  3 hops in 18.0 us  +0.000000 s  skb 0xffff96d481988700
               docker0 >       host          unique-name  ping/2563 cpu 0
    +4.00 us   vetha373ab6 >   host          unique-name  ping/2563 cpu 0
    +14.0 us > eth0             web           link         ping/2563 cpu 0
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from perfpath.render.art import drawings
from perfpath.render.cells import ljust, width
from perfpath.render.clock import Clock
from perfpath.render.colours import DIM, DOUBT, Colours
from perfpath.render.hops import hops_of, packets_of
from perfpath.render.limits import Limit
from perfpath.render.places import Namer
from perfpath.render.progress import Progress
from perfpath.render.quantities import count, duration

if TYPE_CHECKING:
    from rich.console import Console

    from perfpath.diagnostics import Diagnostics
    from perfpath.journeys.tracker import Result, Update
    from perfpath.render.hops import Hop, Packet
    from perfpath.render.summary import Tally

DEV_CELLS = 19  # an arrow on each side, and the longest name the kernel takes
PLACE_CELLS = 12
EVIDENCE_CELLS = 11
PATHS_DRAWN = 6
DETAILS = 15  # where the details begin, in a line of their own


class TreeStream:
    """Shows journeys while they grow: each hop once, under a header that is repeated where packets interleave.

    limit: at most so many journeys, None for all, and a line that says how many more there were. Where `live`, so many
        from each update: a flood is cut short and a quiet trace goes on for ever.
    """

    def __init__(
        self,
        console: Console,
        namer: Namer | None = None,
        clock: Clock | None = None,
        *,
        limit: int | None = None,
        live: bool = True,
    ) -> None:
        self._console = console
        self._namer = namer or Namer()
        self._clock = clock or Clock()
        self._limit = limit
        self._in_all = None if live else Limit(limit)
        self._progress = Progress()
        self._colours = Colours()
        self._place_cells = PLACE_CELLS
        self._last = -1

    def show(self, update: Update) -> None:
        """Print the hops that are new."""
        limit = self._in_all or Limit(self._limit)
        texts = self._texts(limit.first(self._progress.fresh(update)), update)
        if limit.remark and limit is not self._in_all:
            texts.append(Text(limit.remark, DOUBT))
            self._last = -1
        if texts:
            self._console.print(Text("\n").join(texts))

    def _texts(self, shown: Result, update: Update) -> list[Text]:
        ended = set(update.closed.journeys["journey"].tolist())
        packets = {packet.journey: packet for packet in packets_of(shown.journeys)}
        texts: list[Text] = []
        for hop in hops_of(shown.hops, self._namer):
            if hop.journey != self._last:
                texts += self._header(packets[hop.journey], hop, ended=hop.journey in ended)
                self._last = hop.journey
            texts += self._lines(hop)
        return texts

    def _header(self, packet: Packet, first: Hop, *, ended: bool) -> list[Text]:
        """What is known of the packet; when it began and its address only where it is shown first."""
        text = Text.assemble((f"packet {packet.journey}", "bold"))
        if first.number:
            text.append(" (continued, ended)" if ended else " (continued)", DIM)
        if packet.pairing:
            text.append(f"  {packet.pairing}", "bold")
        if not first.number and first.length:
            text.append(f"  {first.length} bytes")
        if ended:
            text.append(f"  {count(packet.hops, 'hop')} in {duration(packet.end_ns - packet.start_ns)}")
        if not packet.complete:
            text.append("  incomplete: events were lost on its way", DOUBT)
        if first.number:
            return [text]
        details = f"{self._clock.text(packet.start_ns)}  skb {packet.skbaddr:#x}"
        details += f"  cut: {packet.cut}" if ended and packet.cut else ""
        return self._fitted(text.append("  "), Text(details, DIM))

    def _lines(self, hop: Hop) -> list[Text]:
        """The hop: when, device, namespace, how that is known, and who was running."""
        arrow = "\N{RIGHTWARDS ARROW}" if self._console.encoding.startswith("utf") else ">"
        device = f"  {hop.dev} {arrow}" if hop.direction == "tx" else f"{arrow} {hop.dev}"
        self._place_cells = max(self._place_cells, width(hop.place))
        text = Text(f"{f'+{duration(hop.delta_ns)}' if hop.number else '':>12} ")
        text.append(ljust(device, DEV_CELLS))
        details = Text()
        if hop.doubt:
            details.append(f"{hop.doubt}  ", "yellow")
        elif hop.evidence:
            details.append(ljust(hop.evidence, EVIDENCE_CELLS) + "  ", DIM)
        details.append(hop.task, DIM)
        details.rstrip()
        text.append(ljust(hop.place, self._place_cells) + "  ", self._colours.of(hop.place))
        return self._fitted(text, details)

    def _fitted(self, text: Text, details: Text) -> list[Text]:
        """One line, or two where a terminal is too narrow; pipes have no width."""
        folded = self._console.is_terminal and text.cell_len + details.cell_len > self._console.width
        found = [text, Text(" " * DETAILS).append_text(details)] if folded and details else [text.append_text(details)]
        for line in found:
            line.rstrip()
        return found


class TreeWriter(TreeStream):
    """The same as an output format: at the end come drawings of the distinct paths."""

    def end(self, tally: Tally, diagnostics: Diagnostics) -> None:  # noqa: ARG002
        """Say what wasn't shown, and draw the paths most travelled."""
        if self._in_all and self._in_all.remark:
            self._console.print(Text(self._in_all.remark, DOUBT))
        paths = tally.paths.common()
        found = drawings(paths, self._namer, self._console.width)
        for drawing in found[:PATHS_DRAWN]:
            self._console.print(Text("\n".join(["", *drawing])))
        if len(found) > PATHS_DRAWN:
            text = f"... and {count(len(found) - PATHS_DRAWN, 'more way')}: --format summary lists all"
            self._console.print(Text(text, DOUBT))
        if found:
            self._console.print()
