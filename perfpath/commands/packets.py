"""Where the packets' own bytes come from while tracing: a packet socket in each namespace, beside perf."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Self

from perfpath.errors import CaptureError, OutputError
from perfpath.netns.enter import within

if TYPE_CHECKING:
    import argparse
    from contextlib import ExitStack
    from typing import BinaryIO

    from perfpath.capture.directory import CaptureDirectory
    from perfpath.capture.packets.sockets import Sockets
    from perfpath.commands.watching import Watch
    from perfpath.diagnostics import Diagnostics
    from perfpath.netns.inventory import Inventory
    from perfpath.packets.keep import Keeper
    from perfpath.readers.recording import Decoder
    from perfpath.tables import Table

CHOICES = ("auto", "tprobe", "socket", "none")
CLOCK_MONOTONIC = 1


def add_packets(parser: argparse._ArgumentGroup) -> None:
    """The option for what may show the packets' bytes."""
    parser.add_argument(
        "--packets",
        choices=CHOICES,
        default="auto",
        help="what shows addresses, ports and the exact namespace: dynamic events on the tracepoints (tprobe, Linux "
        "6.5 or later), a packet socket in each namespace, or nothing; auto takes the first of them that works",
    )


def probed(options: argparse.Namespace, stack: ExitStack) -> tuple[tuple[str, ...], str]:
    """Dynamic events to trace in place of the four tracepoints until the stack is closed, and why there are none.

    Why is "" where there are some, and where none were wanted. What killed runs left behind is removed at any rate.
    Raises CaptureError where such events were asked for and can't be had.
    """
    from perfpath.capture.tprobes.events import Tprobes, clean

    choice = getattr(options, "packets", "none")
    if choice not in ("auto", "tprobe") or options.backend == "trace":
        clean()
        if choice == "tprobe":
            raise CaptureError("--packets tprobe needs --backend record: perf trace doesn't show the bytes")
        return (), ""
    try:
        return stack.enter_context(Tprobes()).names, ""
    except CaptureError as error:
        if choice == "tprobe":
            raise CaptureError(f"--packets tprobe: {error}; --packets socket works on any kernel") from error
        return (), str(error)


def explain(why: str, diagnostics: Diagnostics) -> None:
    """Note why `auto` took no dynamic events, where it didn't."""
    if why and os.geteuid() == 0:  # to others everything is closed, and they are told so
        diagnostics.note("no-tprobes", f"--packets auto can't take tprobe: {why}", severity="info")


class Watched:
    """The sockets of a trace, opened before its command runs, and kept in step with the host's namespaces."""

    def __init__(self, watch: Watch, sockets: Sockets) -> None:
        self.sockets = sockets
        self._watch = watch
        self._version = -1
        self._keeper: Keeper | None = None
        self._file: BinaryIO | None = None
        self.follow()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.sockets.close()
        if self._file is not None:
            with suppress(OSError):  # what can't be written was told of when it was first tried
                self._file.close()

    def keep(self, directory: CaptureDirectory) -> None:
        """Write all sightings from now on into a capture."""
        from perfpath.packets.keep import FILE, Keeper

        self._file = directory.file(FILE)
        self._keeper = Keeper(self._file, self.sockets.offset_ns, self._name)

    def _name(self, inum: int) -> str:
        found = None if self._watch.inventory is None else self._watch.inventory.by_inum.get(inum)
        return "" if found is None else found.name

    def take(self, at_most: int = sys.maxsize) -> tuple[Table, int]:
        """SIGHTINGS that are new, and the time until when they are complete. Raises OutputError.

        at_most: as `Sockets.take` has it.
        """
        self.follow()
        seen, until = self.sockets.take(at_most)
        if self._keeper is not None and self._file is not None and len(seen):
            try:
                self._keeper.write(seen)
                self._file.flush()  # what was seen stays, however this ends
            except OSError as error:
                raise OutputError(f"the capture's packets can't be written: {error.strerror}") from error
        return seen, until

    def close(self) -> Table:
        """Stop; gives the last SIGHTINGS."""
        self._version = self._watch.version  # nothing is opened any more
        self.sockets.close()
        seen, _ = self.take()
        return seen

    def follow(self) -> None:
        """Open sockets in namespaces that are new, close those whose namespace everybody else has left."""
        if self._watch.version == self._version or self._watch.inventory is None:
            return
        self._version = self._watch.version
        there = living(self._watch.inventory)
        known = self.sockets.namespaces
        self.sockets.remove([inum for inum in known if inum not in there])
        for inum, path in there.items():
            if inum not in known:
                self.sockets.add(inum, partial(within, path, inum))


class Joining:
    """Events on their way from a decoder to the tracker, joined with what the sockets saw."""

    def __init__(self, watched: Watched, decoder: Decoder, *, whole: bool) -> None:
        from perfpath.packets.joiner import Joiner

        self._watched = watched
        self._decoder = decoder
        self._joiner = Joiner(decoder.packets, decoder.diagnostics, whole=whole)

    def feed(self, events: Table) -> Table:
        """The next events; gives those whose sightings must have come by now."""
        return self._joiner.feed(events, *self._watched.take())

    def close(self, events: Table) -> Table:
        """The last events; gives all that are left."""
        left = self._joiner.close(events, self._watched.close())
        self._decoder.diagnostics.absorb(self._watched.sockets.diagnostics)
        return left


def watched_packets(choice: str, watch: Watch, *, live: bool) -> Watched | None:
    """Sockets in all namespaces known, None where there shall be none.

    live: perf's events carry times that sightings can be compared with. Raises CaptureError where sockets were asked
    for and can't be had.
    """
    if choice in ("none", "tprobe") or (
        choice == "auto" and (not live or watch.inventory is None or os.geteuid() != 0)
    ):
        return None
    if not live:
        raise CaptureError("--packets socket needs --backend record: perf trace's times can't be compared with theirs")
    if watch.inventory is None:
        raise CaptureError("--packets socket: the namespaces of this host can't be read, so there is nowhere to look")
    from perfpath.capture.packets.sockets import Sockets

    found = Watched(watch, Sockets(len(watch.inventory.namespaces)))
    if not found.sockets.namespaces and choice == "socket":
        found.sockets.close()
        notes = found.sockets.diagnostics.notes.values()
        why = "; ".join(example for note in notes for example in note.examples)
        raise CaptureError(f"--packets socket: no packet socket could be opened ({why}): try again as root")
    return found


def living(inventory: Inventory) -> dict[int, str]:
    """The paths of the namespaces that still are there, by inode."""
    found = {}
    for namespace in inventory.namespaces:
        if namespace.gone_ns is None and namespace.path:
            found[namespace.inum] = namespace.path
        else:
            found.pop(namespace.inum, None)
    return found
