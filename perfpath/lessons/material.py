"""What a lesson is made of: a recording of `net:*` events, read with everything that its own formats describe."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from perfpath.errors import InputError, UsageError
from perfpath.escape import visible
from perfpath.lessons.coverage import Shape, shapes_of
from perfpath.lessons.texts import texts_of
from perfpath.lessons.truth import truth_of
from perfpath.readers.source import CAPTURE_DATA, open_recording
from perfpath.tracepoints import perf_name

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from perfpath.diagnostics import Diagnostics, Loss
    from perfpath.lessons.packet import Packet, Truth
    from perfpath.lessons.scenarios import Scenario
    from perfpath.readers.perfdata.formats import Format
    from perfpath.readers.recording import Info
    from perfpath.tables import Table

MOST_EVENTS = 100_000
"""A lesson looks at every single event; with more than these nobody could follow it."""
SAMPLE_RECORD = 40
"""Bytes of a record beside its RAW data (header, id, thread, time, cpu, size)."""


@dataclass(frozen=True, slots=True)
class Material:
    """A recording prepared for the lesson.

    name: the scenario's, or the recording's. formats: by event; empty where the recording is text. names, text: the
    event of each row, and its fields as perf shows them. title, note: what is known of the scenario, "" otherwise.
    cost: bytes that one hit of an event takes in the recording. shapes: of the packets that nothing can be missing of;
    holes: how many others there are. doubts: what else makes the recording a poor witness, in words.
    """

    name: str
    title: str
    info: Info
    diagnostics: Diagnostics
    events: Table
    formats: dict[str, Format]
    names: list[str]
    text: list[str]
    truth: Truth
    shapes: list[Shape]
    holes: int = 0
    doubts: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    note: str = ""
    cost: dict[str, int] = field(default_factory=dict)

    def line(self, row: int) -> str:
        """One event as `perf trace` prints it: `net:net_dev_queue(dev=lo skbaddr=0x... len=98)`."""
        form = self.formats.get(self.names[row])
        return f"{form.perf_name if form else perf_name(self.names[row])}({self.text[row]})"


def read(path: str, name: str = "", known: Scenario | None = None) -> Material:
    """Prepare a recording: perf.data (also in a directory), or the text of perf script and perf trace.

    Raises InputError where it can't be read or has no `net:*` events, UsageError where it is too large for a lesson.
    """
    file = str(Path(path) / CAPTURE_DATA) if (Path(path) / CAPTURE_DATA).is_file() else path
    source = open_recording(file)
    tables = []
    for batch in source.batches():
        tables.append(batch)
        if sum(map(len, tables)) > MOST_EVENTS:
            raise UsageError(f"{visible(path)}: too many events for a lesson: record a few packets only (ping -c 2)")
    formats = _formats(source)
    events = _with_fields(file, formats) if formats else _joined(tables)
    truth = truth_of(events)
    if not truth.packets:
        raise InputError(
            f"{visible(path)}: no packet in it: a lesson needs a recording made with perf record -e 'net:*'"
        )
    label = name or Path(path).name
    whole = [packet for packet in truth.packets if not _overlapped(packet, source.diagnostics.losses)]
    return Material(
        name=label,
        title=known.title if known else "",
        info=source.info,
        diagnostics=source.diagnostics,
        events=events,
        formats=formats,
        names=[event or "?" for event in events.texts("event")],
        text=texts_of(events, formats),
        truth=truth,
        shapes=shapes_of(label, whole),
        holes=len(truth.packets) - len(whole),
        doubts=_doubts(source.info.events or tuple(set(events.texts("event")) - {None}), source.diagnostics.losses),
        command=_command(Path(path), source.info),
        note=_beside(Path(path), "note.txt"),
        cost={event: form.size + SAMPLE_RECORD for event, form in formats.items()},
    )


def _overlapped(packet: Packet, losses: Sequence[Loss]) -> bool:
    """Whether events were lost, for all we know, while a packet was under way."""
    return any(
        loss.start_ns is not None
        and loss.end_ns is not None
        and loss.start_ns <= packet.last_ns
        and packet.first_ns <= loss.end_ns
        for loss in losses
    )


def _doubts(recorded: Collection[str | None], losses: Sequence[Loss]) -> tuple[str, ...]:
    found = []
    if any(loss.start_ns is None or loss.end_ns is None for loss in losses):
        found.append("events were lost, nobody knows when: places may be missing anywhere")
    if not set(recorded) >= EXPECTED:
        found.append(
            f"not every net:* event was recorded (such as {', '.join(sorted(EXPECTED - set(recorded)))}): a place that "
            "only those would have shown isn't known"
        )
    return tuple(found)


EXPECTED = frozenset({"net_dev_queue", "net_dev_start_xmit", "net_dev_xmit", "netif_receive_skb"})
"""Events that fire for nearly every packet: without them a recording was made of a selection."""


def _formats(source: object) -> dict[str, Format]:
    """The recording's own formats; none where it is text."""
    by_name = getattr(source, "format", None)
    info: Info = source.info  # type: ignore[attr-defined]
    if by_name is None:
        return {}
    return {event: form for event in info.events if (form := by_name(event)) is not None}


def _with_fields(file: str, formats: dict[str, Format]) -> Table:
    """The events with every field of theirs as a column, `event.field`."""
    from perfpath.readers.perfdata.source import open_perfdata

    fields = [f"{event}.{one.name}" for event, form in formats.items() for one in form.fields]
    return _joined(list(open_perfdata(file, fields=fields).batches()))


def _joined(tables: list[Table]) -> Table:
    from perfpath.tables import concatenated

    return concatenated(tables)


def _command(folder: Path, info: Info) -> tuple[str, ...]:
    """What was recorded: said beside the recording, else by perf itself."""
    said = _beside(folder, "command.txt")
    return tuple(shlex.split(said)) if said else info.command


def _beside(folder: Path, name: str) -> str:
    file = folder / name
    if not file.is_file():
        return ""
    return file.read_text(encoding="utf-8", errors="surrogateescape").strip()
