"""Formats from this machine's tracefs: the last resort for a perf.data whose perf was killed before it wrote them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from perfpath.errors import InputError
from perfpath.readers.perfdata.cursor import text
from perfpath.readers.perfdata.formats import Format, parse_format

if TYPE_CHECKING:
    from collections.abc import Iterator

TRACEFS = (Path("/sys/kernel/tracing"), Path("/sys/kernel/debug/tracing"))


def formats_here(wanted: set[int]) -> dict[int, Format]:
    """The formats this machine has for these tracepoint ids; fewer or none where it doesn't or they can't be read."""
    found: dict[int, Format] = {}
    for directory in _events():
        try:
            number = int((directory / "id").read_text())
            if number in wanted:
                source = text((directory / "format").read_bytes())
                found[number] = parse_format(source, directory.parent.name)
        except (OSError, ValueError, InputError):
            continue
        if len(found) == len(wanted):
            break
    return found


def _events() -> Iterator[Path]:
    """Directories of events, those of the network first: reading all ids takes a while."""
    for root in TRACEFS:
        try:
            systems = sorted((root / "events").iterdir(), key=lambda path: path.name not in {"net", "skb", "qdisc"})
        except OSError:
            continue
        for system in systems:
            try:
                yield from sorted(system.iterdir())
            except OSError:
                continue
        return
