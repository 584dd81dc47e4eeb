"""`perfpath record`: trace now, analyse later."""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from perfpath.commands import options as shared
from perfpath.commands import run
from perfpath.commands.keeping import Beside
from perfpath.commands.packets import explain, probed
from perfpath.commands.watching import watched
from perfpath.errors import EXIT_OK, EXIT_OUTPUT, OutputError, UsageError
from perfpath.escape import visible
from perfpath.times import nanoseconds

if TYPE_CHECKING:
    from perfpath.capture.directory import CaptureDirectory
    from perfpath.capture.session import Session
    from perfpath.commands.firewall import Heard
    from perfpath.commands.packets import Watched

HELP = """Record a command (or with -a the whole system) into a directory that holds all a later analysis needs:
what perf saw, and which interfaces stood in which namespaces. `perfpath report DIR` shows it on any machine,
without root."""

SILENCE = 0.2  # seconds; nobody waits for what is only written to disk
AT_ONCE = 1 << 15  # sightings that are written before perf, whose pipe is short, is heard again
TICK = 0.5  # seconds between two looks of the progress line


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `perfpath record`."""
    parser.add_argument(
        "-o", "--output", metavar="DIR", help="a new or empty directory (default: perfpath- and the time)"
    )
    parser.add_argument("--force", action="store_true", help="replace the capture that DIR holds already")
    run.add_scope(parser)
    parser.add_argument("-e", "--event", action="append", default=[], help="record this tracepoint too (repeat)")
    parser.add_argument(
        "--duration", type=seconds, metavar="S", help="end after so many seconds (or 500ms, 2min), the command too"
    )
    parser.add_argument("--max-size", type=shared.size, metavar="SIZE", help="end when perf has written so much (50M)")
    run.add_tracing(parser)
    parser.add_argument("--strict", action="store_true", help="exit 3 if anything went wrong while recording")
    run.add_command(parser)


def seconds(text: str) -> float:
    """A span of time, as argparse's type; a bare number is seconds."""
    try:
        span = nanoseconds(text) / 1e9
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    if span <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no time to record")
    return span


def execute(options: argparse.Namespace) -> int:
    """Record; returns the command's exit status, or what --strict finds, or that not all could be written."""
    from perfpath.capture.directory import CaptureDirectory
    from perfpath.capture.session import Session

    extra = tuple(event.removeprefix("net:") for event in options.event)
    command = run.command_of(options)
    place = options.output or datetime.now().astimezone().strftime("perfpath-%Y%m%d-%H%M%S")
    directory = CaptureDirectory(place, force=options.force)
    with closing(directory), ExitStack() as stack:
        main, why = probed(options, stack)
        session = stack.enter_context(Session(run.plan_of(command, options, extra, main)))
        explain(why, session.diagnostics)
        session.start()
        with watched(session.diagnostics) as watch:
            packets = None if main else run.sighted(options, watch, session, stack)
            heard = run.listened(options, watch, session, stack)
            session.release()  # nothing is written, and no older capture replaced, before there is something to record
            directory.begin(session.backend)
            beside = Beside(directory, session, watch)
            beside.begin()
            if packets is not None:
                packets.keep(directory)
            if heard is not None:
                heard.keep(directory)
            writer = Writer(session, directory, beside, packets, heard)
            writer.write_all(Limits(options.duration, options.max_size))
        beside.finish()
        run.say(f"recorded in {visible(place)}; perfpath report {visible(place)} shows it")
        if writer.failed:
            run.say(f"the recording was ended: {writer.failed}; what was written until then can be read")
            return EXIT_OUTPUT
        status = EXIT_OK if session.child_status is None or writer.ended else session.child_status
        return shared.judged(session.diagnostics, strict=options.strict, otherwise=status)


@dataclass(slots=True)
class Limits:
    """When a recording ends by itself. seconds, size (bytes of perf's stream): None for no limit."""

    seconds: float | None
    size: int | None
    started: float = field(default_factory=time.monotonic)

    def reached(self, size: int) -> bool:
        """Whether it is time to end."""
        late = self.seconds is not None and time.monotonic() - self.started >= self.seconds
        return late or (self.size is not None and size >= self.size)


@dataclass(slots=True)
class Writer:
    """Writes what comes, until it ends. ended: by a limit. failed: why nothing more could be written, "" otherwise."""

    session: Session
    directory: CaptureDirectory
    beside: Beside
    packets: Watched | None
    heard: Heard | None
    ended: bool = False
    failed: str = ""

    def write_all(self, limits: Limits) -> None:
        """Until perf's stream ends; a disk that is full ends it."""
        line = Line(limits.started) if sys.stderr.isatty() and self.session.backend == "record" else None
        while (data := self.session.read(SILENCE)) is not None:
            if not self.failed:
                self._try(data)
            if not self.ended and not self.failed and limits.reached(self.directory.size):
                self.ended = True
                self.session.end()
            if line is not None:
                line.show(data, self.directory.size)
        if line is not None:
            line.clear()
        if not self.failed:
            self._try(b"")
        if self.packets is not None:
            self._close(self.packets)

    def _try(self, data: bytes) -> None:
        try:
            self.directory.write(data)
            self.beside.follow()
            if self.packets is not None:
                self.packets.take(AT_ONCE)
            if self.heard is not None:
                self.heard.take()
        except OutputError as error:
            self._fail(error)

    def _close(self, packets: Watched) -> None:
        try:
            packets.close()
        except OutputError as error:
            self._fail(error)
        self.session.diagnostics.absorb(packets.sockets.diagnostics)

    def _fail(self, error: OutputError) -> None:
        if not self.failed:
            self.failed = str(error)
            self.session.diagnostics.note(
                "cut-short", "the recording was ended early", severity="error", example=self.failed
            )
            self.session.end()


class Line:
    """The line that shows, on a terminal, how a recording goes on."""

    def __init__(self, started: float) -> None:
        from perfpath.capture.tally import Tally

        self._started = started
        self._next = 0.0
        self._tally = Tally()

    def show(self, data: bytes, size: int) -> None:
        """The next bytes of perf's stream; size: all that was written."""
        self._tally.feed(data)
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + TICK
        tally, span = self._tally, now - self._started
        counted = f"{tally.events:,} events, lost: {tally.lost:,}, " if tally.sound else ""
        sys.stderr.write(f"\r\x1b[Krecording: {counted}{size / 1e6:,.1f} MB, {span:,.0f} s")
        sys.stderr.flush()

    def clear(self) -> None:
        """Take the line away."""
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()
