"""Opens any recording together with what was kept beside it: packets, topology, symbols."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from perfpath.diagnostics import EXAMPLES_KEPT, Diagnostics, Note
from perfpath.errors import InputError, InventoryError, PerfpathError
from perfpath.escape import visible
from perfpath.readers import source as plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from perfpath.netns.inventory import Inventory
    from perfpath.readers.recording import Source
    from perfpath.symbols import Symbols
    from perfpath.tables import Table

CAPTURE, INVENTORY, SYMBOLS = plain.CAPTURE_MARK, "inventory.json", "symbols.json"
PACKETS = "packets.pcapng"
VERDICTS = "verdicts.jsonl"
T = TypeVar("T")
VERDICT = {
    **dict.fromkeys(("time_ns", "netns", "id", "handle", "iif", "oif"), int),
    **dict.fromkeys(("family", "table", "chain", "kind", "verdict", "network", "transport"), str),
}
"""What a line of VERDICTS has, at least."""
_SAID = ("severity", "code", "message", "advice")


def open_recording(path: str, *, batch_bytes: int | None = None) -> Source:
    """A recording (see `perfpath.readers.source`); a capture's directory with its packets. Raises InputError."""
    found = plain.open_recording(path, batch_bytes=batch_bytes)
    capture = capture_of(path, Diagnostics())  # what is wrong with it is told where it is needed
    capture.tell(found.diagnostics)
    beside = Path(path) / PACKETS
    if path == "-" or not beside.is_file():
        return found
    joined: Any = Joined(found, beside, whole=capture.whole and not capture.interrupted)
    source: Source = joined
    return source


def end_of(recording: str) -> int | None:
    """The time of its last event, for which it is read once in bounded memory; None for what can be read only once."""
    path = Path(recording)
    if recording == "-" or not (path.is_file() or path.is_dir()):
        return None
    source = plain.open_recording(recording, batch_bytes=1 << 24)
    for _ in source.batches():
        pass
    return source.info.last_ns


def topology_of(recording: str, diagnostics: Diagnostics, given: str | None = None) -> Inventory | None:
    """The inventory that was named, or that stands in the capture's directory; None where there is neither.

    Raises InventoryError where one was named and can't be read.
    """
    from perfpath.netns.saved import from_json

    if given is None:
        lacks = "hops are placed without the topology of the host"
        return _beside(recording, INVENTORY, from_json, lacks, diagnostics)
    try:
        return from_json(Path(given).read_bytes(), given)
    except OSError as error:
        raise InventoryError(f"{visible(given)}: it can't be read: {error.strerror}") from error


def symbols_of(recording: str, diagnostics: Diagnostics) -> Symbols | None:
    """The kernel's symbols that stand in the capture's directory, None where there are none."""
    from perfpath.symbols import from_json

    lacks = "the kernel's functions have no names"
    return _beside(recording, SYMBOLS, from_json, lacks, diagnostics)


def _beside(
    recording: str, name: str, read: Callable[[bytes, str], T], lacks: str, diagnostics: Diagnostics
) -> T | None:
    """What stands in a capture's directory beside the recording; None where there is nothing, or it is damaged.

    The recording is read all the same: the diagnostics (an error) name the file and what is missing without it.
    """
    path = Path(recording) / name
    if recording == "-" or not path.is_file():
        return None
    try:
        return read(path.read_bytes(), visible(str(path)))
    except OSError as error:
        lack(diagnostics, name, f"{visible(str(path))}: it can't be read: {error.strerror}", lacks)
    except PerfpathError as error:
        lack(diagnostics, name, str(error), lacks)
    return None


def lack(diagnostics: Diagnostics, name: str, why: str, lacks: str) -> None:
    """Tell that a file beside a recording is of no use."""
    code = f"unreadable-{name.partition('.')[0]}"
    advice = "copy the capture's directory anew, or record again"
    diagnostics.note(code, f"{why}; so {lacks}", severity="error", advice=advice)


@dataclass(frozen=True, slots=True)
class Capture:
    """What a capture says of how it was made. followed: the pid of the command whose flows were followed, -1 for none.

    kernel_filter: what perf's events were filtered by, "" for nothing. whole: perf watched the whole system, all of it.
    interrupted: its writer was killed. notes: what went wrong while it was recorded.
    """

    followed: int = -1
    kernel_filter: str = ""
    whole: bool = False
    interrupted: bool = False
    notes: tuple[Note, ...] = ()

    def tell(self, diagnostics: Diagnostics) -> None:
        """Add what a reader of the recording must know, and the recording itself doesn't say."""
        for note in self.notes:
            diagnostics.notes.setdefault(note.code, note)
        if self.interrupted:
            diagnostics.note(
                "interrupted",
                "the recording was interrupted, its writer was killed: the names of kernel functions are missing, "
                "what came last may be, and nobody counted what packet sockets lost",
            )


def capture_of(recording: str, diagnostics: Diagnostics) -> Capture:
    """What stands in the capture's directory; nothing where there is none."""
    lacks = "nobody knows whose packets were followed: all are shown"
    return _beside(recording, CAPTURE, _capture, lacks, diagnostics) or Capture()


def _capture(data: bytes, name: str) -> Capture:
    import json

    from perfpath.capture.directory import FORMAT_VERSION

    try:
        facts = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{name} is not JSON: {error}") from error
    if not isinstance(facts, dict):
        raise InputError(f"{name} holds no facts about a capture")
    if facts.get("format_version") != FORMAT_VERSION:
        raise InputError(f"{name} has version {facts.get('format_version')!r}, this perfpath reads {FORMAT_VERSION}")
    pid, by = facts.get("followed"), facts.get("kernel_filter")
    followed = pid if isinstance(pid, int) and 0 < pid < 1 << 31 else -1
    return Capture(
        followed,
        by if isinstance(by, str) else "",
        not by and (facts.get("system_wide") is True or followed > 0),
        interrupted=facts.get("ended", "") is None,
        notes=tuple(_notes(facts)),
    )


def _notes(facts: dict[str, Any]) -> Iterator[Note]:
    """What went wrong while it was recorded; what doesn't look like a note is none."""
    diagnostics = facts.get("diagnostics")
    notes = diagnostics.get("notes") if isinstance(diagnostics, dict) else None
    for each in notes if isinstance(notes, list) else []:
        said = each if isinstance(each, dict) else {}
        texts = [visible(text) for key in _SAID if isinstance(text := said.get(key), str)]
        if len(texts) == len(_SAID) and texts[0] in ("error", "warning"):
            count, examples = said.get("count"), said.get("examples")
            known = [text for text in examples if isinstance(text, str)] if isinstance(examples, list) else []
            severity, code, message, advice = texts
            number = count if type(count) is int else 1
            yield Note(severity, code, message, advice, number, known[:EXAMPLES_KEPT])


def verdicts_of(recording: str, diagnostics: Diagnostics) -> list[dict[str, Any]]:
    """What nftables' trace rules told, as it stands in the capture's directory; [] where nothing does."""
    lacks = "what the trace rules told is missing"
    return _beside(recording, VERDICTS, _verdicts, lacks, diagnostics) or []


def _verdicts(data: bytes, name: str) -> list[dict[str, Any]]:
    import json

    try:
        found = [json.loads(line) for line in data.decode().splitlines()]
    except (ValueError, RecursionError) as error:
        raise InputError(f"{name} is not JSON, a line each: {error}") from error
    if not all(map(_is_verdict, found)):
        raise InputError(f"{name}: a line of it is no verdict of a trace rule: it was changed")
    return found


def _is_verdict(value: Any) -> bool:
    if not isinstance(value, dict) or not all(type(value.get(key)) is kind for key, kind in VERDICT.items()):
        return False
    numbers = (value[key] for key, kind in VERDICT.items() if kind is int)
    headers = value["network"] + value["transport"]
    return all(0 <= number < 1 << 63 for number in numbers) and re.fullmatch("([0-9a-f]{2})*", headers) is not None


class Joined:
    """A `Source` whose events carry what the kept packets tell; everything else is the recording's own."""

    def __init__(self, source: Source, packets: Path, *, whole: bool) -> None:
        self._whole = whole
        self._source = source
        self._file = packets

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def batches(self) -> Iterator[Table]:
        """EVENTS in time order."""
        from perfpath.packets.joiner import Joiner

        source = self._source
        sightings = self._sightings()
        if sightings is None:
            yield from source.batches()
            return
        joiner = Joiner(source.packets, source.diagnostics, whole=self._whole)
        nothing = sightings.take(slice(0, 0))
        last = None
        for table in source.batches():
            if last is not None and len(last):
                yield joiner.feed(last, sightings, int(last["time_ns"][-1]))
                sightings = nothing
            last = table
        if last is not None:
            yield joiner.close(last, sightings)

    def _sightings(self) -> Table | None:
        """What the packet sockets saw; None where the file is of no use."""
        from perfpath.packets.keep import sightings_of

        name, lacks = visible(str(self._file)), "the packets' bytes are missing"
        try:
            with self._file.open("rb") as stream:
                return sightings_of(stream, name, self._source.diagnostics)
        except OSError as error:
            lack(self._source.diagnostics, PACKETS, f"{name}: it can't be read: {error.strerror}", lacks)
        except InputError as error:
            lack(self._source.diagnostics, PACKETS, str(error), lacks)
        return None
