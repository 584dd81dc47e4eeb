"""Journeys for people: a header for each packet and a line for each place it was seen, as it happens.

packet 0  request, answered by 1  98 bytes  3 hops in 18.0 us  +0.000000 s  skb 0xffff96d481988700
               docker0 >       host          unique-name  ping/2563 cpu 0
    +4.00 us   vetha373ab6 >   host          unique-name  ping/2563 cpu 0
    +14.0 us > eth0             web           link         ping/2563 cpu 0
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from rich.text import Text

from perfpath.render.art import drawings
from perfpath.render.became import words_of
from perfpath.render.cells import width
from perfpath.render.clock import Clock
from perfpath.render.colours import DIM, DOUBT, DROP, GOOD, Colours
from perfpath.render.drops import drops_of
from perfpath.render.hops import branched, hops_of, packets_of
from perfpath.render.later import Later
from perfpath.render.limits import Limit
from perfpath.render.line import Line, printable
from perfpath.render.places import Namer
from perfpath.render.progress import Progress
from perfpath.render.quantities import count, duration

if TYPE_CHECKING:
    from rich.console import Console

    from perfpath.diagnostics import Diagnostics
    from perfpath.journeys.tracker import Result, Update
    from perfpath.render.drops import Drop
    from perfpath.render.hops import Hop, Packet
    from perfpath.render.later import Late
    from perfpath.render.summary import Tally

DEV_CELLS = 17  # the longest name the kernel takes, and an arrow
PLACE_CELLS = 14
EVIDENCE_CELLS = 13
WHY_CELLS = 22
PATHS_DRAWN = 6
DETAILS = 15  # where the details begin, in a line of their own


class TreeStream:
    """Shows journeys while they grow: each hop once, under a header that is repeated where packets interleave.

    limit: at most so many journeys, None for all, and a line that says how many more there were. Where `live`, so many
        from each update: a flood is cut short and a quiet trace goes on for ever. stacks: show call stacks whole.
    """

    def __init__(
        self,
        console: Console,
        namer: Namer | None = None,
        clock: Clock | None = None,
        *,
        limit: int | None = None,
        live: bool = True,
        stacks: bool = False,
    ) -> None:
        self._console = console
        self._namer = namer or Namer()
        self._clock = clock or Clock()
        self._limit = limit
        self._stacks = stacks
        self._in_all = None if live else Limit(limit)
        self._progress = Progress()
        self._later = Later(self._namer)
        self._colours = Colours()
        self._arrow = "\N{RIGHTWARDS ARROW}" if console.encoding.startswith("utf") else ">"
        self._place_cells = PLACE_CELLS
        self._branch = "\N{BOX DRAWINGS LIGHT UP AND RIGHT} " if console.encoding.startswith("utf") else "`- "
        self._columns: int | None = None
        self._last = -1
        self._cross = "\N{MULTIPLICATION X}" if console.encoding.startswith("utf") else "x"
        self._tick = "\N{CHECK MARK}" if console.encoding.startswith("utf") else "="
        self._shown: set[int] = set()  # of the journeys still open
        self._told: set[int] = set()  # those of them whose drop was told of
        self._became: dict[int, str] = {}  # what was told of the others
        self._explained: set[Drop] = set()

    def show(self, update: Update) -> None:
        """Print the hops that are new."""
        limit = self._in_all or Limit(self._limit)
        self._columns = self._console.width if self._console.is_terminal else None
        lines = self._lines(limit.first(self._progress.fresh(update)), update)
        if limit.remark and limit is not self._in_all:
            lines.append(Line().add(limit.remark, DOUBT))
            self._last = -1
        if lines:
            self._console.print(printable(lines), end="")

    def _lines(self, shown: Result, update: Update) -> list[Line]:
        ended = set(update.closed.journeys["journey"].tolist())
        hops: dict[int, list[Hop]] = {}
        for hop in hops_of(shown.hops, self._namer):
            hops.setdefault(hop.journey, []).append(hop)
        drops = self._new_drops(update)
        became = self._new_ends(update, shown)
        late_words = [each for each in self._later.news(update, shown.hops) if each.journey in self._shown]
        lines = [line for each in late_words for line in self._decided(each)]
        for depth, packet in branched(packets_of(shown.journeys)):
            self._shown.add(packet.journey)
            for hop in hops.get(packet.journey, ()):
                if hop.journey != self._last:
                    lines += self._header(packet, hop, ended=hop.journey in ended, depth=depth)
                    self._last = hop.journey
                lines += self._hop(hop)
            lines += self._drop(packet, drops.pop(packet.journey, None))
            lines += self._end(packet.journey, became.pop(packet.journey, ""))
        for number, words in became.items():
            lines += self._end(number, words)
        late = {number: drop for number, drop in drops.items() if number in self._shown}
        for packet in self._packets(late, update):
            lines += self._drop(packet, late[packet.journey])
        self._shown.intersection_update(update.open.journeys["journey"].tolist())
        return lines

    def _decided(self, late: Late) -> list[Line]:
        """What was decided about a hop that was shown before."""
        lines: list[Line] = []
        if late.journey != self._last:
            lines.append(Line().add(f"packet {late.journey}", "bold").add(" (continued)"))
            self._last = late.journey
        said = [Line(DETAILS + 2).add(f"about {late.dev} in {late.place}: {text}", DIM) for text in late.texts]
        return lines + said

    def _new_drops(self, update: Update) -> dict[int, Drop]:
        """Drops not told of before, by journey."""
        found: dict[int, Drop] = {}
        for result in (update.closed, update.open):
            kinds, rows, codes = drops_of(result, self._namer)
            found |= zip(
                result.journeys["journey"][rows].tolist(), [kinds[code] for code in codes.tolist()], strict=True
            )
        news = {number: drop for number, drop in found.items() if number not in self._told}
        self._told = (self._told | set(news)).intersection(update.open.journeys["journey"].tolist())
        return news

    def _new_ends(self, update: Update, shown: Result) -> dict[int, str]:
        """What became of packets that are or were shown, where it wasn't told before."""
        wanted = self._shown.union(shown.journeys["journey"].tolist())
        found = words_of(update.closed, wanted) | words_of(update.open, wanted)
        news = {number: words for number, words in found.items() if self._became.get(number, "") != words}
        still = set(update.open.journeys["journey"].tolist())
        self._became = {number: words for number, words in (self._became | news).items() if number in still}
        return news

    def _end(self, journey: int, words: str) -> list[Line]:
        """What became of a packet that was shown: the words for it, "" for nothing to say."""
        if not words:
            return []
        line = Line(DETAILS - 2).add(self._tick, GOOD, 2).add(words, GOOD)
        if journey == self._last:
            return [line]
        self._last = journey
        return [Line().add(f"packet {journey}", "bold").add(" (continued)", DIM), line]

    def _packets(self, wanted: dict[int, Drop], update: Update) -> list[Packet]:
        """Packets of an update by their numbers."""
        if not wanted:
            return []
        numbers = np.array(sorted(wanted))
        rows = [each.journeys.take(np.isin(each.journeys["journey"], numbers)) for each in (update.closed, update.open)]
        return [packet for table in rows for packet in packets_of(table)]

    def _drop(self, packet: Packet, drop: Drop | None) -> list[Line]:
        """Where and why the packet was dropped; what that means, where it wasn't said before."""
        if drop is None:
            return []
        style = DOUBT if drop.harmless else DROP
        lines: list[Line] = []
        decided = [Line(DETAILS + 2).add(text, DIM) for text in packet.decisions]
        if packet.journey != self._last:
            line = Line().add(f"packet {packet.journey}", "bold")
            line.add(" (continued)" if packet.hops else f"  {packet.words}" if packet.words else "", "", 0)
            if not packet.hops:
                line.add(f"  dropped {drop.after}", "bold")
            lines.append(line)
            self._last = packet.journey
        lines += decided
        line = Line(DETAILS - 2).add(self._cross, style, 2).add(f"dropped: {drop.title}", style, DEV_CELLS)
        if drop.sender:
            line.add(f"  sent by {drop.sender}", DIM)
        lines.append(line)
        if drop not in self._explained:
            self._explained.add(drop)
            lines.append(Line(DETAILS).add(drop.meaning))
            lines += [Line(DETAILS).add("- ", DIM).add(text) for text in drop.look]
        return lines

    def _header(self, packet: Packet, first: Hop, *, ended: bool, depth: int = 0) -> list[Line]:
        """What is known of the packet; when it began and its address only where it is shown first.

        depth: how far it is from the packet it branched off, where that is shown above.
        """
        line = Line().add("  " * (depth - 1) + self._branch if depth else "").add(f"packet {packet.journey}", "bold")
        if first.number:
            line.add(" (continued, ended)" if ended else " (continued)", DIM)
        if packet.descent:
            line.add(f"  {packet.descent}", "bold")
        if packet.pairing:
            line.add(f"  {packet.pairing}", "bold")
        if packet.words:
            line.add(f"  {packet.words}")
        if not first.number and first.length:
            line.add(f"  {first.length} bytes")
        if ended:
            line.add(f"  {count(packet.hops, 'hop')} in {duration(packet.end_ns - packet.start_ns)}")
        if packet.doubt:
            line.add(f"  {packet.doubt}", DOUBT)
        if first.number:
            return [line]
        details = f"{self._clock.text(packet.start_ns)}  skb {packet.skbaddr:#x}"
        return self._fitted(line.add("", column=2), Line().add(details, DIM))

    def _hop(self, hop: Hop) -> list[Line]:
        """The hop: when, device, namespace, how that is known, and who was running."""
        self._place_cells = max(self._place_cells, width(hop.place) + 2)
        delta = f"+{duration(hop.delta_ns)}" if hop.number else ""
        out = hop.direction == "tx"
        line = Line().add(f"{delta:>12} {' ' if out else self._arrow} {hop.dev}{f' {self._arrow}' if out else ''}")
        line.add("", column=DETAILS + DEV_CELLS - line.cells)
        line.add(hop.place, self._colours.of(hop.place), self._place_cells)
        details = Line()
        if hop.doubt:
            details.add(hop.doubt, DOUBT, width(hop.doubt) + 2)
        elif hop.evidence:
            details.add(hop.evidence, DIM, EVIDENCE_CELLS)
        if hop.outer:
            details.add(f"in {hop.outer}", "", width(hop.outer) + 5)
        if hop.why:
            details.add(hop.why, "", max(WHY_CELLS, width(hop.why) + 2))
        details.add(hop.task, DIM)
        frames = [Line(DETAILS + 4).add(frame, DIM) for frame in hop.frames] if self._stacks else []
        decided = [Line(DETAILS + 2).add(text, DIM) for text in hop.decisions]
        return [*self._fitted(line, details), *decided, *frames]

    def _fitted(self, line: Line, details: Line) -> list[Line]:
        """One line, or two where a terminal is too narrow; pipes have no width."""
        if self._columns is None or not details.cells or line.cells_with(details) <= self._columns:
            return [line.extend(details)]
        return [line, Line(DETAILS).extend(details)]


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
