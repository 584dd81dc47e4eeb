"""`perfpath record`: trace now, analyse later."""

from __future__ import annotations

from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

from perfpath.commands import options as shared
from perfpath.commands import run
from perfpath.commands.keeping import finish
from perfpath.commands.packets import probed
from perfpath.commands.watching import watched
from perfpath.errors import EXIT_OK
from perfpath.escape import visible

if TYPE_CHECKING:
    import argparse

HELP = """Record a command (or with -a the whole system) into a directory that holds all a later analysis needs:
what perf saw, and which interfaces stood in which namespaces. `perfpath report DIR` shows it on any machine,
without root."""

SILENCE = 0.2  # seconds; nobody waits for what is only written to disk


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `perfpath record`."""
    parser.add_argument("-o", "--output", metavar="DIR", required=True, help="a new or empty directory")
    run.add_scope(parser)
    parser.add_argument("-e", "--event", action="append", default=[], help="record this tracepoint too (repeat)")
    run.add_tracing(parser)
    parser.add_argument("--strict", action="store_true", help="exit 3 if anything went wrong while recording")
    run.add_command(parser)


def execute(options: argparse.Namespace) -> int:
    """Record; returns the command's exit status, or what --strict finds."""
    from perfpath.capture.directory import CaptureDirectory
    from perfpath.capture.session import Session

    extra = tuple(event.removeprefix("net:") for event in options.event)
    command = run.command_of(options)
    directory = CaptureDirectory(options.output)
    with closing(directory), ExitStack() as stack:
        main = probed(options, stack)
        session = stack.enter_context(Session(run.plan_of(command, options, extra, main)))
        session.start()
        with watched(session.diagnostics) as watch:
            packets = None if main else run.sighted(options, watch, session, stack)
            if packets is not None:
                packets.keep(directory)
            heard = run.listened(options, watch, session, stack)
            if heard is not None:
                heard.keep(directory)
            session.release()
            directory.begin(session.backend)
            while (data := session.read(SILENCE)) is not None:
                directory.write(data)
                if packets is not None:
                    packets.take()
                if heard is not None:
                    heard.take()
            if heard is not None:
                heard.take()
            if packets is not None:
                packets.close()
                session.diagnostics.absorb(packets.sockets.diagnostics)
        finish(directory, session, watch.inventory)
        run.say(f"recorded in {visible(options.output)}; perfpath report {visible(options.output)} shows it")
        status = EXIT_OK if session.child_status is None else session.child_status
        return shared.judged(session.diagnostics, strict=options.strict, otherwise=status)
