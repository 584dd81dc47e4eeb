"""`perfpath export`: what was seen, as a file for other programs."""

from __future__ import annotations

import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from perfpath.commands import options as shared
from perfpath.commands import report
from perfpath.errors import OutputError, UsageError
from perfpath.escape import visible

if TYPE_CHECKING:
    import argparse

HELP = """Write the packets of a recording, as they were seen at each hop, into a file that Wireshark opens: an
interface for each namespace and device (eth0@web), a comment on each packet that says its journey and hop. The
recording must have the packets' bytes: trace with --packets (perfpath record or --save). -o - writes to a pipe:
perfpath export -o - DIR | tshark -r -"""

FIXED = {"limit": 0, "verbose": False, "wall": True}  # what `report` asks of a format, and a packet file doesn't


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `perfpath export`."""
    report.add_reading(parser)
    group = parser.add_argument_group("output")
    group.add_argument("--to", dest="format", choices=("pcapng",), default="pcapng", help="the kind of file")
    group.add_argument("-o", "--output", metavar="FILE", help="write to this file; - is standard output")
    group.add_argument(
        "--hop",
        choices=("all", "first"),
        default="all",
        help="a packet for each hop, or only for the first hop of each journey that has bytes (default: all)",
    )
    group.add_argument("--strict", action="store_true", help="exit 3 if anything was lost or not understood")
    shared.add_tracking(parser)
    shared.add_filters(parser)
    parser.set_defaults(**FIXED)


def execute(options: argparse.Namespace) -> int:
    """Export; returns the exit status."""
    target = None if options.output in (None, "-") else Path(options.output)
    if target is None and sys.stdout.isatty():
        raise UsageError(
            "a packet file is nothing for a terminal: name a file (-o FILE), or pipe it (-o - ... | tshark -r -)"
        )
    if target is not None and _is_read(target, Path(options.recording)):
        raise OutputError(f"{visible(str(target))} is what is read: name another file")
    if target is None or (target.exists() and not target.is_file()):  # a pipe or a device: there is nothing to keep
        return report.show(options.recording, options)
    return _replaced(target, options)


def _replaced(target: Path, options: argparse.Namespace) -> int:
    """Write beside the file and put it there when it is whole: what stood there stays where that fails."""
    target = target.resolve()  # a link stays one
    beside = target.with_name(f".{target.name[:200]}.{secrets.token_hex(4)}")
    options.output = str(beside)
    try:
        status = report.show(options.recording, options)
        beside.replace(target)
    except OutputError as error:
        raise OutputError(str(error).replace(visible(str(beside)), visible(str(target)))) from error
    except OSError as error:
        raise OutputError(f"can't write to {visible(str(target))}: {error.strerror}") from error
    finally:
        beside.unlink(missing_ok=True)
    return status


def _is_read(path: Path, recording: Path) -> bool:
    """Whether a path is the recording, or one of its files."""
    parts = [recording, *recording.iterdir()] if recording.is_dir() else [recording]
    return path.exists() and any(part.exists() and path.samefile(part) for part in parts)
