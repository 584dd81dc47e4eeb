"""The entry to this room: a format's name and a stream in, an `Output` out."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Protocol, TextIO

from perfpath.errors import UsageError
from perfpath.render.console import Sink, console
from perfpath.render.places import Namer
from perfpath.render.progress import whole
from perfpath.render.summary import Tally, lines

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.console import Console

    from perfpath.diagnostics import Diagnostics
    from perfpath.firstbytes import FirstBytes
    from perfpath.journeys.tracker import Result, Update
    from perfpath.netns.inventory import Inventory
    from perfpath.readers.recording import Info
    from perfpath.render.clock import Clock
    from perfpath.render.summary import Line

    Footer = Callable[[list[Line]], None]

FOR_PEOPLE = ("tree", "table", "diagnosis", "latency", "top")
LIMIT = 100


class Writer(Protocol):
    """A format."""

    def show(self, update: Update) -> None:
        """Write what is new in an update. Each journey comes once as closed."""

    def end(self, tally: Tally, diagnostics: Diagnostics) -> None:
        """Write what the format has after the last journey, before the summary."""


class Output:
    """Journeys on their way to the user. Raises OutputError or BrokenPipeError where they can't get there."""

    def __init__(self, writer: Writer, footer: Footer, *, timed: bool = False) -> None:
        """timed: the writer shows how long packets took, all of them."""
        self._writer = writer
        self._footer = footer
        self._tally = Tally(timed=timed)

    def update(self, update: Update) -> None:
        """Show what a batch of events brought, at once."""
        self._writer.show(update)
        self._tally.add(update.closed)

    def result(self, result: Result) -> None:
        """Show journeys that can't grow any more: all of a recording, or those that the stream's end closed."""
        self.update(whole(result))

    def below(self, lines: Callable[[], list[str]]) -> None:
        """Tell a screen what stands below it: escaped lines."""
        if hasattr(self._writer, "below"):
            self._writer.below = lines

    def pressed(self, key: str) -> None:
        """Tell a screen of a key."""
        if (listener := getattr(self._writer, "pressed", None)) is not None:
            listener(key)

    def finish(
        self, diagnostics: Diagnostics, seen: int | None = None, *, verbose: bool = True, remarks: Sequence[str] = ()
    ) -> None:
        """Show the summary and the diagnostics.

        seen: how many packets there were before a filter, None where there was none. verbose: notes that only
        inform are shown too, else counted. remarks: what else the line of totals says.
        """
        self._writer.end(self._tally, diagnostics)
        self._footer(lines(self._tally, diagnostics, seen, verbose=verbose, remarks=remarks))


def open_output(
    format: str,  # noqa: A002 - what everybody calls it
    stream: TextIO,
    *,
    info: Info,
    inventory: Inventory | None = None,
    notes: TextIO | None = None,
    limit: int = LIMIT,
    live: bool = True,
    wall: bool = False,
    width: int | None = None,
    slowest: int = 0,
    stacks: bool = False,
    packets: FirstBytes | None = None,
    first: bool = False,
) -> Output:
    """An output in one of the formats tree, table, plain, jsonl, json, csv, summary, diagnosis, latency, top, pcapng.

    inventory: names for namespaces that hops might be in.
    notes: where the summary goes, None for the stream (tree, table, summary) or standard error (formats for programs).
    limit: how many journeys tree and table show, 0 for all; where `live`, tree shows so many of each update.
    wall: wall-clock times where the recording knows them. width: None for the terminal's.
    slowest: show only so many journeys, those that took longest, when all have been seen; 0 for all. stacks: tree shows
    call stacks whole. packets, first: for pcapng, the packets' bytes, and whether only each journey's first hop is
    written.
    Raises UsageError for another format.
    """
    sink, namer = Sink(stream), Namer(inventory)
    if format in FOR_PEOPLE:
        from perfpath.render.clock import Clock

        screen, clock = console(sink, width), Clock(info, wall=wall)
        writer = _for_people(format, screen, namer, clock, info, limit=limit or None, live=live, stacks=stacks)
        return Output(_of_slowest(writer, slowest), _print_to(console(Sink(notes), width) if notes else screen))
    if format == "pcapng":
        from perfpath.render.packet_file import PacketFile

        file = PacketFile(stream.buffer, packets, info, namer, first=first)
        return Output(file, _lines_to(Sink(notes or sys.stderr)))
    if format == "summary":
        from perfpath.render.summary import SummaryWriter

        summary = _of_slowest(SummaryWriter(sink, namer), slowest)
        return Output(summary, _lines_to(Sink(notes) if notes else sink), timed=True)
    return Output(_of_slowest(_for_programs(format, sink, info, namer), slowest), _lines_to(Sink(notes or sys.stderr)))


def _of_slowest(writer: Writer, number: int) -> Writer:
    if not number:
        return writer
    from perfpath.render.slowest import Slowest

    return Slowest(writer, number)


def _for_people(
    format: str,  # noqa: A002
    screen: Console,
    namer: Namer,
    clock: Clock,
    info: Info,
    *,
    limit: int | None,
    live: bool,
    stacks: bool,
) -> Writer:
    if format == "tree":
        from perfpath.render.tree import TreeWriter

        return TreeWriter(screen, namer, clock, limit=limit, live=live, stacks=stacks)
    if format == "diagnosis":
        from perfpath.render.diagnosis import DiagnosisWriter

        return DiagnosisWriter(screen, namer, info)
    if format == "latency":
        from perfpath.render.latency import LatencyWriter

        return LatencyWriter(screen, namer)
    if format == "top":
        from perfpath.render.top import TopWriter

        return TopWriter(screen, namer, info)
    from perfpath.render.table import TableWriter

    return TableWriter(screen, namer, clock, limit=limit)


def _for_programs(format: str, sink: Sink, info: Info, namer: Namer) -> Writer:  # noqa: A002
    if format == "plain":
        from perfpath.render.plain import PlainWriter

        return PlainWriter(sink)
    if format == "jsonl":
        from perfpath.render.jsonl import JsonLinesWriter

        return JsonLinesWriter(sink, namer)
    if format == "json":
        from perfpath.render.document import DocumentWriter

        return DocumentWriter(sink, namer, info)
    if format == "csv":
        from perfpath.render.sheet import SheetWriter

        return SheetWriter(sink)
    raise UsageError(
        f"{format!r} is not an output format: tree, table, plain, jsonl, json, csv, summary, diagnosis, latency or top"
    )


def _lines_to(sink: Sink) -> Footer:
    def write(found: list[Line]) -> None:
        sink.write("".join(f"{line.text}\n" for line in found))
        sink.flush()

    return write


def _print_to(screen: Console) -> Footer:
    def write(found: list[Line]) -> None:
        from rich.text import Text

        from perfpath.render.colours import WEIGHTS

        for line in found:
            screen.print(Text(line.text, WEIGHTS[line.weight]), soft_wrap=not screen.is_terminal)

    return write
