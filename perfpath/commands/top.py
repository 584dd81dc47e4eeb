"""`perfpath top`: mtr for L2, a screen that follows the packets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfpath.commands import run

if TYPE_CHECKING:
    import argparse

HELP = """A screen updated in place, like mtr's: a line for each hop of each way that packets take, with how many
came there, how many were dropped after it, and how long the step took. Without COMMAND the whole system is shown, until
Ctrl-C or q. Keys: q ends, p pauses the screen, s sorts by loss. Where the output is no terminal, the table comes at the
end. A packet is counted when nothing more can come of it (--gap after its last hop)."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `perfpath top`: those of `perfpath run`."""
    run.configure(parser)


def execute(options: argparse.Namespace) -> int:
    """Trace; returns the command's exit status, or what --strict finds."""
    from perfpath.commands.keys import watched_keys

    options.format = "top"
    command = tuple(options.command[1:] if options.command[:1] == ["--"] else options.command)
    options.all_cpus = options.all_cpus or not command
    with watched_keys():
        return run.trace(command, options)
