"""Where results go: a stream of the user's choice, and through which filters."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from perfpath.errors import OutputError
from perfpath.escape import visible
from perfpath.journeys.select import Selection, Selector
from perfpath.journeys.tracker import Result, Update
from perfpath.packets.describe import Describer
from perfpath.render import open_output

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from perfpath.diagnostics import Diagnostics
    from perfpath.firstbytes import FirstBytes
    from perfpath.netns.inventory import Inventory
    from perfpath.readers.recording import Info

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


class Results:
    """Journeys on their way through the filters to the user.

    live: they are shown while they grow. packets: first bytes of packets, where the recording has them.
    """

    def __init__(
        self,
        stream: TextIO,
        options: argparse.Namespace,
        wanted: Selection,
        info: Info,
        inventory: Inventory | None,
        *,
        live: bool,
        packets: FirstBytes | None = None,
    ) -> None:
        self._describer = None if packets is None else Describer(packets)
        self._selector = Selector(wanted)
        self._verbose = options.verbose
        self._live = live
        self._output = open_output(
            options.format,
            stream,
            info=info,
            inventory=inventory,
            notes=None if stream is sys.stdout or stream is sys.stderr else sys.stderr,
            limit=options.limit,
            live=live,
            wall=options.wall,
            stacks=getattr(options, "stack", False),
            slowest=getattr(options, "slowest", 0),
        )

        if live and options.format == "top":
            from perfpath.commands.keys import on_key

            on_key(self._output.pressed)

    def update(self, update: Update) -> None:
        """Show what a batch of events brought; journeys that still grow only where it is live."""
        closed = self._selector.apply(self._described(update.closed))
        nothing = Result(update.open.hops.take(slice(0, 0)), update.open.journeys.take(slice(0, 0)))
        still = self._selector.apply(self._described(update.open), count=False) if self._live else nothing
        self._output.update(Update(closed, still))
        if self._describer is not None:
            self._describer.forget(update.open.hops)

    def result(self, result: Result) -> None:
        """Show journeys that are whole."""
        self._output.result(self._selector.apply(self._described(result)))

    def _described(self, result: Result) -> Result:
        """With what the packets' bytes say, where there are bytes."""
        if self._describer is None:
            return result
        return Result(result.hops, self._describer.described(result.journeys, result.hops))

    def finish(self, diagnostics: Diagnostics) -> None:
        """Show the summary."""
        seen = None if self._selector.wanted.everything else self._selector.seen
        self._output.finish(diagnostics, seen, verbose=self._verbose)
