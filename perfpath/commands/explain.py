"""`perfpath explain`: what a drop reason, or a kernel function that drops packets, means."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from perfpath.catalogue import entries
from perfpath.errors import EXIT_OK, UsageError
from perfpath.escape import visible

if TYPE_CHECKING:
    import argparse

HELP = """Say what a drop reason means and what to look at next: perfpath explain NETFILTER_DROP. A kernel function that
drops packets (nft_do_chain, as a location or as perf prints it) does as well. Without a name: all that there are."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `perfpath explain`."""
    parser.add_argument(
        "name", nargs="*", metavar="REASON|FUNCTION", help="such as NETFILTER_DROP or ip_rcv_core+0x22c"
    )


def execute(options: argparse.Namespace) -> int:
    """Print; returns the exit status. Raises UsageError where a name is unknown."""
    texts = [explained(name) for name in options.name] if options.name else [listed()]
    sys.stdout.write("\n".join(texts))
    return EXIT_OK


def explained(name: str) -> str:
    """The entries of a name as text. Raises UsageError with near matches where there is none."""
    found = entries.find(name)
    if not found:
        near = entries.near(name)
        hint = f"did you mean {', '.join(near)}?" if near else "perfpath explain lists what is known"
        raise UsageError(f"nothing is known of {visible(name)}: {hint}")
    return "\n".join(_entry(entry) for entry in found)


def _entry(entry: entries.Reason) -> str:
    lines = [entry.name, f"    {_said(entry.meaning)}"]
    if isinstance(entry, entries.Place) and entry.alarm:
        lines.append(f"    No drop: {entry.alarm}.")
    elif entry.harmless:
        lines.append("    Seen on healthy hosts too.")
    if entry.look:
        lines += ["    Look at:", *(f"      - {_said(text)}" for text in entry.look)]
    return "".join(f"{line}\n" for line in lines)


def listed() -> str:
    """All entries, a line each."""
    lines = ["Drop reasons:"]
    width = max(map(len, [*entries.reasons(), *entries.places()]))
    lines += [f"  {name:{width}}  {_said(entry.meaning)}" for name, entry in entries.reasons().items()]
    lines += ["", "Kernel functions:"]
    lines += [f"  {name:{width}}  {_said(entry.meaning)}" for name, entry in entries.places().items()]
    return "".join(f"{line}\n" for line in lines)


def _said(text: str) -> str:
    """A text of the catalogue that speaks of no packet in particular."""
    words = {"enter": "ip netns exec NETNS ", "netns": "the namespace", "dev": "DEV", "hook": "at one of its hooks"}
    return entries.filled(text, words | {"location": "that dropped it", "function": "FUNCTION"})
