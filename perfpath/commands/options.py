"""Options that several verbs share, and what they are turned into."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING

from perfpath import tracepoints
from perfpath.errors import EXIT_INCOMPLETE, EXIT_OK, UsageError
from perfpath.times import moment, nanoseconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfpath.diagnostics import Diagnostics
    from perfpath.journeys.select import Selection
    from perfpath.journeys.tracker import Options
    from perfpath.packets.filters import Wanted
    from perfpath.readers.recording import Decoder, Info, Source
    from perfpath.symbols import Symbols

CONTENTS = ("--host", "--net", "--port", "--proto", "--icmp-id", "--flow", "--match")
SIZES = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}
FORMATS = ("tree", "table", "plain", "jsonl", "json", "csv", "summary", "diagnosis", "latency", "top")


def add_output(parser: argparse.ArgumentParser) -> None:
    """How results are shown, and where."""
    group = parser.add_argument_group("output")
    group.add_argument("--format", choices=FORMATS, default="tree", help="tree is for people, jsonl for programs")
    group.add_argument(
        "--diagnose",
        dest="format",
        action="store_const",
        const="diagnosis",
        help="show only what went wrong, why, and what to look at next",
    )
    group.add_argument(
        "--latency",
        dest="format",
        action="store_const",
        const="latency",
        help="show only where the time goes: each step of each path, over all packets that took it",
    )
    group.add_argument("--stack", action="store_true", help="tree: show call stacks whole, where they were recorded")
    group.add_argument("--slowest", type=_count, default=0, metavar="N", help="show only the N slowest packets")
    group.add_argument("-o", "--output", metavar="FILE", help="write the journeys here; - is standard output")
    group.add_argument(
        "--limit", type=_count, default=100, metavar="N", help="tree and table: show so many journeys (0: all)"
    )
    group.add_argument(
        "--wall", action="store_true", help="wall-clock times (ISO 8601), where the recording knows them"
    )
    group.add_argument("-v", "--verbose", action="store_true", help="also show how doubts were settled")
    group.add_argument("--strict", action="store_true", help="exit 3 if anything was lost or not understood")


def add_tracking(parser: argparse.ArgumentParser) -> None:
    """How events become journeys."""
    group = parser.add_argument_group("tracking")
    group.add_argument(
        "--gap",
        type=_span,
        default=1_000_000_000,
        metavar="SPAN",
        help="two sightings of one skb address further apart are two packets (default 1s)",
    )


def add_depth(group: argparse._ArgumentGroup) -> None:
    """How much is recorded beside the places where packets are seen."""
    group.add_argument(
        "--complete", action="store_true", help="also record what became of packets that weren't dropped, and waits"
    )
    group.add_argument(
        "--why", action="store_true", help="also record the kernel's call stacks, which say why packets moved on"
    )
    group.add_argument(
        "--decisions",
        action="store_true",
        help="also record what routing, neighbour and firewall tables and TCP said about packets",
    )


def more_events(options: argparse.Namespace) -> tuple[str, ...]:
    """The tracepoints to record beside the four."""
    if options.backend == "trace":  # its text doesn't say why
        return ()
    if getattr(options, "kernel_filter", ""):  # what became of a packet can't be told of what was seen in part
        if getattr(options, "complete", False):
            raise UsageError("--complete tells what became of packets, which can't be told with --kernel-filter")
        return ()
    complete = tracepoints.COMPLETE if getattr(options, "complete", False) else ()
    decisions = (*tracepoints.DECISIONS, tracepoints.RECEIVING) if getattr(options, "decisions", False) else ()
    return (*tracepoints.DROPS, *complete, *decisions)


def add_filters(parser: argparse.ArgumentParser) -> None:
    """Filters that select whole journeys."""
    group = parser.add_argument_group("filters (each selects whole journeys; repeat one for either-or)")
    names = {
        "--dev": "a hop on this interface",
        "--netns": "a hop in this namespace (name or inode number)",
        "--event": "a hop shown by this tracepoint",
        "--comm": "a hop while this command was running",
    }
    for option, text in names.items():
        group.add_argument(option, action="append", default=[], metavar="NAME", help=text)
    group.add_argument("--skb", action="append", default=[], type=_address, metavar="ADDRESS", help="this skb address")
    group.add_argument("--pid", action="append", default=[], type=_count, help="a hop while this process was running")
    group.add_argument("--min-len", type=_count, metavar="BYTES", help="some hop at least so long")
    group.add_argument("--max-len", type=_count, metavar="BYTES", help="some hop at most so long")
    group.add_argument("--min-hops", type=_count, default=0, metavar="N", help="at least so many hops")
    group.add_argument(
        "--min-latency", type=_span, default=0, metavar="SPAN", help="first to last hop takes at least so long"
    )
    add_contents(parser)
    group.add_argument("--since", metavar="TIME", help="on its way at or after: perf seconds, +1.5s, -200ms, a date")
    group.add_argument("--until", metavar="TIME", help="on its way at or before")


def add_contents(parser: argparse.ArgumentParser) -> None:
    """Filters by what packets say."""
    group = parser.add_argument_group(
        "filters by contents (where packets' bytes are known; at one hop at least, before or after NAT)"
    )
    texts = {
        "--host": ("ADDRESS", "from or to this address; ARP for it too"),
        "--net": ("CIDR", "from or to this network"),
        "--port": ("PORT", "from or to this port, or A-B, of TCP, UDP or SCTP"),
        "--proto": ("NAME", "icmp, icmp6, tcp, udp, sctp, arp, ip, ip6, or an IP protocol by number"),
        "--icmp-id": ("N", "echo requests and replies with this id"),
        "--flow": ("A:PORT-B:PORT", "between these ends (ports may be left out), in both directions, with ICMP errors"),
        "--match": ("EXPR", "what tcpdump would write: 'icmp and host 172.17.0.2'"),
    }
    for option, (metavar, text) in texts.items():
        group.add_argument(option, action="append", default=[], metavar=metavar, help=text)


def contents(options: argparse.Namespace) -> tuple[Wanted, ...]:
    """The filters that `add_contents` asked for. Raises UsageError where one makes no sense."""
    given = {option: getattr(options, option[2:].replace("-", "_"), ()) for option in CONTENTS}
    if not any(given.values()):
        return ()
    from perfpath.packets.filters import wanted

    return tuple(wanted(option, values) for option, values in given.items() if values)


def joined(arguments: Sequence[str]) -> list[str]:
    """The same command line with `--since -200ms` as `--since=-200ms`: argparse would take -200ms for an option."""
    found: list[str] = []
    for argument in arguments:
        if found and found[-1] in ("--since", "--until") and argument[:1] == "-" and argument[1:2].isdigit():
            found[-1] += f"={argument}"
        else:
            found.append(argument)
    return found


def tracking(
    options: argparse.Namespace, recorded: Source | Decoder | None = None, symbols: Symbols | None = None
) -> Options:
    """What `add_tracking` asked for. recorded, symbols: what tells where drops happened."""
    from perfpath.journeys.tracker import Options

    return Options(
        gap_ns=options.gap,
        symbols=symbols,
        stacks=getattr(recorded, "stacks", ()),
        packets=None if recorded is None else recorded.packets,
        monotonic=recorded is not None and recorded.info.monotonic,
    )


def from_the_end(options: argparse.Namespace) -> bool:
    """Whether a time was asked for that counts from the recording's last event."""
    return any(text.strip().startswith("-") for text in (options.since, options.until) if text)


def selection(options: argparse.Namespace, info: Info) -> Selection:
    """What `add_filters` asked for, its times on the recording's clock. Raises UsageError for times it can't place."""
    from perfpath.journeys.select import Selection

    return Selection(
        dev=frozenset(options.dev),
        netns=frozenset(options.netns),
        skb=frozenset(options.skb),
        event=frozenset(text.removeprefix("net:") for text in options.event),
        pid=frozenset(options.pid),
        comm=frozenset(options.comm),
        min_len=options.min_len,
        max_len=options.max_len,
        min_hops=options.min_hops,
        min_latency_ns=options.min_latency,
        since_ns=moment(options.since, info) if options.since else None,
        until_ns=moment(options.until, info) if options.until else None,
        content=contents(options),
    )


def judged(diagnostics: Diagnostics, *, strict: bool, otherwise: int = EXIT_OK) -> int:
    """The exit status: EXIT_INCOMPLETE where --strict finds something missing."""
    return EXIT_INCOMPLETE if strict and not diagnostics.sound else otherwise


def size(text: str) -> int:
    """Bytes of a size such as 500M, as argparse's type."""
    match = re.fullmatch(r"(\d+)([KMG]?)(?:i?B)?", text, re.IGNORECASE | re.ASCII)
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 500M or 2G")
    return int(match[1]) * SIZES[match[2].upper()]


def _span(text: str) -> int:
    try:
        return nanoseconds(text)
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 on")
    return int(text)


def _address(text: str) -> int:
    try:
        return int(text, 16)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not an address such as 0xffff96d481988700") from error
