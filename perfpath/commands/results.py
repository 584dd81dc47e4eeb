"""Where results go: a stream of the user's choice, and through which filters."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

import numpy as np

from perfpath.errors import OutputError, UsageError
from perfpath.escape import visible
from perfpath.journeys.select import Selection, Selector
from perfpath.journeys.tracker import AMBIGUOUS, Result, Update
from perfpath.packets.describe import Describer
from perfpath.packets.wrapping import Wrappings
from perfpath.render import open_output
from perfpath.render.quantities import duration

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from perfpath.diagnostics import Diagnostics
    from perfpath.firstbytes import FirstBytes
    from perfpath.journeys.flows import Kin
    from perfpath.journeys.following import Following
    from perfpath.netns.inventory import Inventory
    from perfpath.readers.recording import Info

NO_CONTENTS = (
    "filters by contents (--host, --port, --match, ...) need the packets' bytes, and none are known here: "
    "trace or record with --packets socket or tprobe, as root"
)
SHOW_WRAPPINGS = ("tree", "table", "jsonl", "json", "csv")  # formats that show what is around packets
OURS = 0o600  # what was traced is its owner's business alone


@contextmanager
def opened(path: str | None, default: TextIO) -> Iterator[TextIO]:
    """The stream for -o: a file made anew, standard output for "-", the default without the option.

    Raises OutputError where the file can't be written, at its closing too.
    """
    if path is None or path == "-":
        yield default if path is None else sys.stdout
        return
    try:
        stream = open(path, "w", encoding="utf-8", newline="", opener=_private)  # noqa: SIM115 - closed below
    except OSError as error:
        raise OutputError(f"can't write to {visible(path)}: {error.strerror}") from error
    try:
        yield stream
    finally:
        try:
            stream.close()
        except OSError as error:
            raise OutputError(f"can't write to {visible(path)}: {error.strerror}: it is cut short") from error


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, OURS)


@dataclass(frozen=True, slots=True)
class Shown:
    """What results are made of.

    info, inventory: what is known of the recording, and of its machine. packets: first bytes of packets, where the
    recording has them. following: picks out the journeys of the traced
    command, None for all. scope: what the summary says of what was traced.
    """

    info: Info
    inventory: Inventory | None = None
    packets: FirstBytes | None = None
    following: Following | None = None
    scope: str = ""


class Results:
    """Journeys on their way through the filters to the user.

    live: they are shown while they grow.
    """

    def __init__(
        self,
        stream: TextIO,
        options: argparse.Namespace,
        wanted: Selection,
        shown: Shown,
        *,
        live: bool,
    ) -> None:
        self._describer = None if shown.packets is None else Describer(shown.packets)
        shows = options.format in SHOW_WRAPPINGS
        self._wrappings = None if shown.packets is None or not shows else Wrappings(shown.packets)
        self._following = shown.following
        self._info = shown.info if options.wall else None
        self._scope = shown.scope
        self._packets = shown.packets
        self._selector = Selector(wanted, shown.packets)
        self._shown: Result | None = None
        self._ambiguous = 0
        self._verbose = options.verbose
        self._live = live
        self._output = open_output(
            options.format,
            stream,
            info=shown.info,
            inventory=shown.inventory,
            notes=None if stream is sys.stdout or stream is sys.stderr else sys.stderr,
            limit=options.limit,
            live=live,
            wall=options.wall,
            stacks=getattr(options, "stack", False),
            slowest=getattr(options, "slowest", 0),
            packets=shown.packets,
            first=getattr(options, "hop", "all") == "first",
        )

        if live and options.format == "top":
            from perfpath.commands.keys import on_key

            on_key(self._output.pressed)
            if getattr(options, "below", None) is not None:
                self._output.below(options.below)

    def update(self, update: Update) -> None:
        """Show what a batch of events brought; journeys that still grow only where it is live."""
        if update.open is self._shown and not len(update.closed.journeys):
            return  # nothing is new
        self._shown = update.open
        lowest = _oldest(update.open)
        update = Update(self._described(update.closed), update.open, update.settled_ns)
        if self._following is not None:
            update = self._following.update(update)
            lowest = min((each for each in (lowest, self._following.oldest) if each is not None), default=None)
        closed = self._selected(update.closed)
        still = update.open.nothing()
        if self._live:
            still = self._selector.apply(self._described(update.open), count=False)
        self._output.update(Update(closed, still, update.settled_ns))
        if self._describer is not None and lowest is not None:
            self._describer.forget(lowest)

    def result(self, result: Result) -> None:
        """Show journeys that are whole."""
        result = self._described(result)
        if self._following is not None:
            result = self._following.result(result)
        self._output.result(self._selected(result))

    def _selected(self, closed: Result) -> Result:
        """What the filters let through; its hops that nobody can place are counted."""
        found = self._selector.apply(closed)
        self._ambiguous += int(np.count_nonzero(found.hops["candidates"] >= 0))
        return found

    def _described(self, result: Result) -> Result:
        """With what the packets' bytes say, where there are bytes."""
        if self._describer is None:
            return result
        hops = result.hops if self._wrappings is None else self._wrappings.told(result.hops)
        return Result(hops, self._describer.described(result.journeys, hops))

    def finish(self, diagnostics: Diagnostics, *, late_ns: int = 0) -> None:
        """Show the summary. Raises UsageError where contents were asked for and no packet's were known.

        late_ns: how long after they happened hops were shown at most, where that shall be said.
        """
        selector = self._selector
        if selector.wanted.content and selector.undecided:
            if not self._packets:
                raise UsageError(NO_CONTENTS)
            diagnostics.note(
                "undecided",
                "packets that the filters by contents left out because too little of them is known",
                count=selector.undecided,
            )
        if self._info is not None and self._info.wall_offset_ns is None:
            diagnostics.note(
                "no-wall-clock",
                "the recording doesn't say when its clock started: no wall-clock times are shown",
                advice="perf record -k CLOCK_MONOTONIC writes it down",
            )
        if (ambiguous := diagnostics.notes.get(AMBIGUOUS)) is not None:
            ambiguous.count = self._ambiguous  # of what is shown, not of others' packets
            if not self._ambiguous:
                del diagnostics.notes[AMBIGUOUS]
        remarks = [self._scope] if self._scope else []
        if self._following is not None:
            remarks.append(f"others' packets not shown: {self._following.others:,}")
            if self._following.late:
                diagnostics.note(
                    "followed-late",
                    "packets of the command's that were recognized too late to be shown",
                    count=self._following.late,
                    advice="--all shows all packets",
                )
        if late_ns:
            remarks.append(f"shown up to {duration(late_ns)} late")
        seen = None if selector.wanted.everything else selector.seen
        self._output.finish(diagnostics, seen, verbose=self._verbose, remarks=remarks)


def following_of(kin: Kin, packets: FirstBytes | None) -> Following:
    """What picks out the journeys of a command's flows. kin: which threads were of the command when."""
    from perfpath.journeys.following import Following
    from perfpath.packets.memo import Memo
    from perfpath.packets.traits import TRAITS, traits_of

    return Following(kin, None if packets is None else Memo(packets, traits_of, TRAITS))


def _oldest(result: Result) -> int | None:
    """The lowest number of a packet that these journeys may be asked for."""
    if "packet" not in result.hops:
        return None
    known = result.hops["packet"][result.hops["packet"] >= 0]
    return int(known.min()) if len(known) else None
