"""`perfpath COMMAND`: trace a command, or the whole system, and show journeys as they happen."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, TextIO

from perfpath import tracepoints
from perfpath.commands import options as shared
from perfpath.errors import EXIT_OK, PerfpathError, UsageError

if TYPE_CHECKING:
    from perfpath.capture.session import Session
    from perfpath.commands.results import Results
    from perfpath.diagnostics import Diagnostics
    from perfpath.journeys.tracker import Tracker
    from perfpath.netns.inventory import Inventory
    from perfpath.readers.recording import Decoder

HELP = """Trace a command: show the way its packets took, hop by hop, as it happens.

The command keeps its standard input, output and error, its signals and its exit status; journeys go to standard error
(or -o FILE). Options after COMMAND are the command's own.

Without -a only what happens in the context of the command and its children is seen. That includes the whole way of
a packet through bridges, veth pairs and namespaces on this host, and the replies that are made at once. It misses what
arrives in an interrupt while somebody else is running: replies from another machine, or handled on another CPU.
-a sees those too, and everything else that this host sends and receives."""

SILENCE = 0.025  # seconds without a byte from perf after which what it gave is shown without waiting for more


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `perfpath [run]`."""
    parser.add_argument("-a", "--all-cpus", action="store_true", help="trace the whole system")
    add_tracing(parser)
    shared.add_output(parser)
    shared.add_tracking(parser)
    shared.add_filters(parser)
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND", help="and its arguments")


def add_tracing(parser: argparse.ArgumentParser) -> None:
    """How perf is run."""
    group = parser.add_argument_group("tracing")
    group.add_argument(
        "--backend",
        choices=("auto", "record", "trace"),
        default="auto",
        help="perf record (default where it works) or perf trace",
    )
    group.add_argument("--perf", metavar="PATH", help="the perf to use (default: one that runs on this kernel)")
    group.add_argument("-m", "--buffer", metavar="SIZE", help="perf's buffer per CPU, as perf record -m takes it (4M)")


def execute(options: argparse.Namespace) -> int:
    """Trace; returns the command's exit status, or what --strict finds."""
    command = tuple(options.command[1:] if options.command[:1] == ["--"] else options.command)
    if not command and not options.all_cpus:
        raise UsageError("which command? perfpath COMMAND [ARGS...] traces one, perfpath -a the whole system")
    return trace(command, options)


def trace(command: tuple[str, ...], options: argparse.Namespace) -> int:
    """Trace a command (or, without one, until Ctrl-C) as the options say."""
    from perfpath.capture.session import Plan, Session

    plan = Plan(
        command=command,
        system_wide=getattr(options, "all_cpus", False),
        events=tuple(event.name for event in tracepoints.MAIN),
        backend=options.backend,
        perf=options.perf,
        buffer=options.buffer,
    )
    with Session(plan) as session:
        session.start()  # perf starts up while the rest is imported and the inventory taken
        from perfpath.commands.results import opened

        with opened(options.output, sys.stderr if command else sys.stdout) as stream:
            diagnostics = _live(session, stream, options)
        status = EXIT_OK if session.child_status is None else session.child_status
        return shared.judged(diagnostics, strict=options.strict, otherwise=status)


def _live(session: Session, stream: TextIO, options: argparse.Namespace) -> Diagnostics:
    from perfpath.commands.results import Results
    from perfpath.journeys.tracker import Tracker

    inventory = take_inventory(session.diagnostics)
    session.release()
    decoder = _decoder(session)
    tracker = Tracker(inventory, decoder.diagnostics, shared.tracking(options))
    results = Results(stream, options, shared.selection(options, decoder.info), decoder.info, inventory)
    _pump(session, decoder, tracker, results)
    decoder.diagnostics.absorb(session.diagnostics)
    results.finish(decoder.diagnostics)
    return decoder.diagnostics


def _pump(session: Session, decoder: Decoder, tracker: Tracker, results: Results) -> None:
    """Show what perf gives until it ends."""
    while (data := session.read(SILENCE)) is not None:
        if data:
            decoder.feed(data)
        table = decoder.take(idle=not data)
        if len(table):
            results.update(tracker.feed(table))
    results.update(tracker.feed(decoder.close()))
    results.result(tracker.close())


def _decoder(session: Session) -> Decoder:
    if session.format == "perf trace":
        from perfpath.readers.text.decoder import TextDecoder

        return TextDecoder()
    from perfpath.readers.perfdata import PipeDecoder

    return PipeDecoder()


def take_inventory(diagnostics: Diagnostics) -> Inventory | None:
    """The namespaces of this host; None, and a note, where they can't be read: tracing goes on without."""
    from perfpath.netns.live import take

    try:
        return take(diagnostics)
    except PerfpathError as error:
        diagnostics.note("no-inventory", f"namespaces could not be read, hops can't be placed: {error}")
        return None


def say(text: str) -> None:
    """A remark of ours beside the results."""
    sys.stderr.write(f"perfpath: {text}\n")
