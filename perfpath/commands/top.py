"""`perfpath top`: mtr for L2, a screen that follows the packets."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from perfpath.commands import run

if TYPE_CHECKING:
    import argparse

HELP = """A screen updated in place, like mtr's: a line for each hop of each way that packets take, with how many
came there, how many were dropped after it, and how long the step took. Without COMMAND the whole system is shown, until
Ctrl-C or q. Keys: q ends, p pauses the screen, s sorts by loss. Where the output is no terminal, the table comes at the
end. What COMMAND writes to the terminal is kept from the screen: its last lines stand below the table, and all of it
comes at the end. A packet is counted when nothing more can come of it (--gap after its last hop)."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `perfpath top`: those of `perfpath run`."""
    run.configure(parser)


def execute(options: argparse.Namespace) -> int:
    """Trace; returns the command's exit status, or what --strict finds."""
    from contextlib import ExitStack

    from perfpath.commands.keys import watched_keys
    from perfpath.commands.spool import Spool

    options.format = "top"
    command = tuple(options.command[1:] if options.command[:1] == ["--"] else options.command)
    options.all_cpus = options.all_cpus or not command
    with ExitStack() as stack:
        options.below = None
        if command and options.output is None and sys.stderr.isatty():
            spool = stack.enter_context(Spool())
            options.command_output, options.below = spool.fileno(), spool.last
        stack.enter_context(watched_keys())
        return run.trace(command, options)
