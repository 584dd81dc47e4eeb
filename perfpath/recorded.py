"""Opens any recording together with the packets that were kept beside it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from perfpath.errors import InputError
from perfpath.escape import visible
from perfpath.readers import source as plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from perfpath.readers.recording import Source
    from perfpath.tables import Table

PACKETS = "packets.pcapng"


def open_recording(path: str, *, batch_bytes: int | None = None) -> Source:
    """A recording (see `perfpath.readers.source`); a capture's directory with its packets. Raises InputError."""
    found = plain.open_recording(path, batch_bytes=batch_bytes)
    beside = Path(path) / PACKETS
    if path == "-" or not beside.is_file() or beside.stat().st_size == 0:
        return found
    joined: Any = Joined(found, beside)
    source: Source = joined
    return source


class Joined:
    """A `Source` whose events carry what the kept packets tell; everything else is the recording's own."""

    def __init__(self, source: Source, packets: Path) -> None:
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
        joiner = Joiner(source.packets, source.diagnostics)
        nothing = sightings.take(slice(0, 0))
        last = None
        for table in source.batches():
            if last is not None and len(last):
                yield joiner.feed(last, sightings, int(last["time_ns"][-1]))
                sightings = nothing
            last = table
        if last is not None:
            yield joiner.close(last, sightings)
