"""Opens any recording together with what was kept beside it: packets, topology, symbols."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perfpath.errors import InputError, InventoryError
from perfpath.escape import visible
from perfpath.readers import source as plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from perfpath.netns.inventory import Inventory
    from perfpath.readers.recording import Source
    from perfpath.symbols import Symbols
    from perfpath.tables import Table

PACKETS = "packets.pcapng"
VERDICTS = "verdicts.jsonl"
VERDICT_KEYS = {
    *("time_ns", "netns", "id", "family", "table", "chain", "handle"),
    *("kind", "verdict", "network", "transport", "iif", "oif"),
}


def open_recording(path: str, *, batch_bytes: int | None = None) -> Source:
    """A recording (see `perfpath.readers.source`); a capture's directory with its packets. Raises InputError."""
    found = plain.open_recording(path, batch_bytes=batch_bytes)
    beside = Path(path) / PACKETS
    if path == "-" or not beside.is_file() or beside.stat().st_size == 0:
        return found
    joined: Any = Joined(found, beside, whole=capture_of(path).whole)
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


def topology_of(recording: str, given: str | None = None) -> Inventory | None:
    """The inventory that was named, or that stands in the capture's directory; None where there is neither."""
    beside = Path(recording) / "inventory.json"
    if given is None and not beside.is_file():
        return None
    from perfpath.netns.saved import from_json

    path = Path(given) if given else beside
    try:
        return from_json(path.read_bytes(), str(path))
    except OSError as error:
        raise InventoryError(f"{visible(str(path))}: it can't be read: {error.strerror}") from error


def symbols_of(recording: str) -> Symbols | None:
    """The kernel's symbols that stand in the capture's directory, None where there are none."""
    beside = Path(recording) / "symbols.json"
    if not beside.is_file():
        return None
    from perfpath.symbols import from_json

    try:
        return from_json(beside.read_bytes(), str(beside))
    except OSError as error:
        raise InputError(f"{visible(str(beside))}: it can't be read: {error.strerror}") from error


@dataclass(frozen=True, slots=True)
class Capture:
    """What a capture says of how it was made. followed: the pid of the command whose flows were followed, -1 for none.

    kernel_filter: what perf's events were filtered by, "" for nothing. whole: perf watched the whole system, all of it.
    """

    followed: int = -1
    kernel_filter: str = ""
    whole: bool = False


def capture_of(recording: str) -> Capture:
    """What stands in the capture's directory; nothing where there is none. Raises InputError."""
    beside = Path(recording) / "capture.json"
    if not beside.is_file():
        return Capture()
    import json

    try:
        facts = json.loads(beside.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(f"{visible(str(beside))}: it can't be read: {error}") from error
    facts = facts if isinstance(facts, dict) else {}
    pid, by = facts.get("followed"), facts.get("kernel_filter")
    followed = pid if isinstance(pid, int) and pid > 0 else -1
    return Capture(
        followed, by if isinstance(by, str) else "", not by and (facts.get("system_wide") is True or followed > 0)
    )


def verdicts_of(recording: str) -> list[dict[str, Any]]:
    """What nftables' trace rules told, as it stands in the capture's directory; [] where nothing does."""
    import json

    beside = Path(recording) / VERDICTS
    if not beside.is_file():
        return []
    try:
        found = [json.loads(line) for line in beside.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError) as error:
        raise InputError(f"{visible(str(beside))}: it can't be read: {error}") from error
    if not all(isinstance(each, dict) and each.keys() >= VERDICT_KEYS for each in found):
        raise InputError(f"{visible(str(beside))}: a line of it is no verdict of a trace rule: it was changed")
    return found


class Joined:
    """A `Source` whose events carry what the kept packets tell; everything else is the recording's own."""

    def __init__(self, source: Source, packets: Path, *, whole: bool) -> None:
        self._whole = whole
        self._source = source
        self._file = packets

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def batches(self) -> Iterator[Table]:
        """EVENTS in time order. Raises InputError where the packets can't be read."""
        from perfpath.packets.joiner import Joiner
        from perfpath.packets.keep import sightings_of

        source = self._source
        try:
            with self._file.open("rb") as stream:
                sightings = sightings_of(stream, visible(str(self._file)), source.diagnostics)
        except OSError as error:
            raise InputError(f"{visible(str(self._file))}: it can't be read: {error.strerror}") from error
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
