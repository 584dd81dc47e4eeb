"""`perfpath report`: the journeys in a saved recording."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from perfpath.commands import options as shared
from perfpath.commands import run
from perfpath.start_up import import_numpy

if TYPE_CHECKING:
    import argparse

    from perfpath.commands.results import Results
    from perfpath.journeys.following import Following
    from perfpath.journeys.tracker import Options
    from perfpath.netns.inventory import Inventory
    from perfpath.readers.recording import Info, Source
    from perfpath.recorded import Capture
    from perfpath.symbols import Symbols

HELP = """Show the journeys in a saved recording: a perf.data file (of any perf, from any machine; also compressed, in
pipe mode, or the directory form), a directory written by perfpath, or the text of perf script, perf trace, ftrace or
trace-cmd report. No root and no perf are needed. - reads standard input: perf record -o - ... | perfpath report -"""

IN_MEMORY = 4  # a plain recording read whole takes at most so many times its size; beyond --memory it is streamed


@dataclass(frozen=True, slots=True)
class Beside:
    """What stands beside a recording, None where nothing does. scope: what the summary says of what was recorded.

    verdicts: of nftables' trace rules. end_ns: the time of the last event, where it is read as a stream and asked for.
    """

    inventory: Inventory | None
    symbols: Symbols | None
    following: Following | None
    scope: str
    verdicts: list[dict[str, Any]] = field(default_factory=list)
    end_ns: int | None = None


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `perfpath report`."""
    add_reading(parser)
    parser.add_argument("--header", action="store_true", help="show what the recording is instead of its journeys")
    shared.add_output(parser)
    shared.add_tracking(parser)
    shared.add_filters(parser)


def add_reading(parser: argparse.ArgumentParser) -> None:
    """What is read, and how."""
    parser.add_argument("recording", metavar="FILE|DIR|-", help="what to read")
    parser.add_argument(
        "-a",
        "--all",
        dest="all_cpus",
        action="store_true",
        help="show all packets of a capture that followed a command, not only those of its flows",
    )
    parser.add_argument("--topology", metavar="FILE", help="inventory.json of the machine it was recorded on")
    parser.add_argument(
        "--memory",
        type=shared.size,
        metavar="SIZE",
        help="read larger recordings as a stream, in bounded memory (such as 500M; default: half of what is free)",
    )


def execute(options: argparse.Namespace) -> int:
    """Report; returns the exit status."""
    return show(options.recording, options)


def show(recording: str, options: argparse.Namespace) -> int:
    """Report on one recording as the options say."""
    import_numpy()
    from perfpath.recorded import open_recording

    memory = getattr(options, "memory", None) or free_memory() // 2
    streamed = recording == "-" or size_of(recording) * IN_MEMORY > memory
    source = open_recording(recording, batch_bytes=max(memory // 16, 2**20) if streamed else None)
    if getattr(options, "header", False):
        return _header(source, options)
    shared.contents(options)  # what is wrong with them is said before anything is read
    from perfpath.recorded import capture_of, end_of, symbols_of, topology_of, verdicts_of

    told = source.diagnostics
    inventory = topology_of(recording, told, getattr(options, "topology", None))
    capture = capture_of(recording, told)
    scope = run.FILTERED if capture.kernel_filter else ""
    following = following_in(capture, source, options)
    end_ns = end_of(recording) if streamed and shared.from_the_end(options) else None
    beside = Beside(inventory, symbols_of(recording, told), following, scope, verdicts_of(recording, told), end_ns)
    from perfpath.commands.results import opened

    with opened(options.output, sys.stdout) as stream:
        (_stream if streamed else _whole)(source, beside, stream, options)
    return shared.judged(source.diagnostics, strict=options.strict)


def _whole(source: Source, beside: Beside, stream: TextIO, options: argparse.Namespace) -> None:
    from perfpath.journeys.tracker import follow
    from perfpath.tables import concatenated

    table = concatenated(list(source.batches()))
    results = _results(source, source.info, beside, stream, options)
    tracking = _tracking(options, source, beside)
    results.result(follow(table, beside.inventory, source.diagnostics, tracking))
    results.finish(source.diagnostics)


def _stream(source: Source, beside: Beside, stream: TextIO, options: argparse.Namespace) -> None:
    from perfpath.journeys.tracker import Tracker

    tracker = results = None
    for table in source.batches():  # with the first of them the recording's origin and clock are known
        if not len(table):
            continue
        tracker = tracker or Tracker(beside.inventory, source.diagnostics, _tracking(options, source, beside))
        results = results or _results(source, replace(source.info, last_ns=beside.end_ns), beside, stream, options)
        results.update(tracker.feed(table))
    results = results or _results(source, source.info, beside, stream, options)
    tracker = tracker or Tracker(beside.inventory, source.diagnostics)
    results.result(tracker.close())
    results.finish(source.diagnostics)


def following_in(capture: Capture, source: Source, options: argparse.Namespace) -> Following | None:
    """What picks out the flows of the command that a capture followed; None where all packets are shown."""
    follow = getattr(source, "follow", None)
    if capture.followed < 0 or follow is None or getattr(options, "all_cpus", False):
        return None
    from perfpath.commands.results import following_of

    return following_of(follow(capture.followed), source.packets)


def _tracking(options: argparse.Namespace, source: Source, beside: Beside) -> Options:
    return replace(shared.tracking(options, source, beside.symbols), verdicts=beside.verdicts)


def _results(source: Source, info: Info, beside: Beside, stream: TextIO, options: argparse.Namespace) -> Results:
    from perfpath.commands.results import Results, Shown

    if info.first_ns is None:  # no event at all: none is before or after any time
        info = replace(info, first_ns=0, last_ns=0)
    wanted = shared.selection(options, info)
    shown = Shown(source.info, beside.inventory, source.packets, beside.following, beside.scope)
    return Results(stream, options, wanted, shown, live=False)


def size_of(recording: str) -> int:
    """How many bytes a recording has on disk; 0 where it can't be known (opening it will tell why)."""
    path = Path(recording)
    try:
        if path.is_dir():
            return sum(part.stat().st_size for part in path.iterdir())
        return path.stat().st_size
    except OSError:
        return 0


def free_memory() -> int:
    """Bytes that can be used without swapping; 2 GiB where the system doesn't tell."""
    try:
        match = re.search(r"MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text(encoding="ascii"))
    except OSError:
        match = None
    return int(match[1]) * 1024 if match else 2 * 2**30


def _header(source: Source, options: argparse.Namespace) -> int:
    from collections import Counter

    from perfpath.commands.results import opened
    from perfpath.render.header import header

    counts: Counter[str] = Counter()
    for table in source.batches():
        counts.update(name for name in table.texts("event") if name is not None)
    with opened(options.output, sys.stdout) as stream:
        stream.write(header(source.info, counts, source.diagnostics))
    return shared.judged(source.diagnostics, strict=options.strict)
