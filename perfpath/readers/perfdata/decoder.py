"""The heart of the reader: a stream of records to EVENTS, as they come."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from perfpath import schema
from perfpath.readers.perfdata.columns import no_columns
from perfpath.readers.perfdata.contents import note_contents
from perfpath.readers.perfdata.order import Ordering
from perfpath.readers.perfdata.run import RunReader
from perfpath.readers.perfdata.stream import Stream
from perfpath.tables import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from perfpath.readers.perfdata.columns import Columns
    from perfpath.readers.perfdata.state import State
    from perfpath.readers.perfdata.walk import Chain


class RecordDecoder:
    """Takes records from any number of streams of one recording and gives EVENTS in time order."""

    def __init__(self, state: State, *, whole: bool = False, by_rounds: bool = True) -> None:
        """by_rounds: the recording's rounds are marked (those of directories aren't)."""
        self._state = state
        self._runs = RunReader(state)
        self._runs.duplicates.by_rounds = by_rounds
        self._whole = whole
        self._nothing = Table.filled(schema.EVENTS, 0, state.names)
        self.ordering = Ordering(state.diagnostics, whole=whole)

    def stream(self, base: int, where: str = "") -> Stream:
        """A new stream of records that begins at offset `base` of its file."""
        return Stream(self, self._state, base, where)

    def on_run(self, buffer: npt.NDArray[np.uint8], records: Chain, base: int, rounds: Sequence[int] = ()) -> None:
        """Decode a run of records. rounds: where in the buffer rounds ended, besides the FINISHED_ROUNDs in it."""
        self.ordering.add(*self._runs.read(buffer, records, base, rounds))

    def on_round(self) -> None:
        """All events before a FINISHED_ROUND have been decoded."""
        self._runs.duplicates.round_ended()
        self.ordering.add(no_columns(), np.zeros(1, np.int64))

    @property
    def refused(self) -> int:
        """How many records weren't what they said, or of unknown types."""
        return self._runs.refused

    def unknown(self, kind: int, where: str) -> None:
        """Count a record of a type that nobody has heard of."""
        self._runs.unknown(kind, where, 1)

    def malformed(self, example: str) -> None:
        """Count a record that isn't what it says."""
        self._runs.malformed(example)

    def take(self, until_ns: int | None) -> Table:
        """All events up to a time (None: all), sorted, with what was known of their threads then."""
        if until_ns is not None and not self.ordering.due(until_ns):
            return self._nothing
        columns = self.ordering.release(until_ns)
        tasks = self._state.tasks
        tasks.advance(until_ns)
        table = self._table(columns)
        if until_ns is not None and not self._whole:
            tasks.forget(until_ns)
        return table

    def _table(self, columns: Columns) -> Table:
        del columns["at"]
        tid, times = columns["tid"], columns["time_ns"]
        columns["comm"] = self._state.tasks.comms(tid, times)
        netns = self._state.tasks.netns(tid, times)
        if netns is not None:
            columns["task_netns"] = netns
        info = self._state.info
        if len(times):
            info.first_ns = int(times[0]) if info.first_ns is None else min(info.first_ns, int(times[0]))
            info.last_ns = max(info.last_ns or 0, int(times[-1]))
        declared = {c.name for c in schema.EVENTS}
        own = {name: values for name, values in columns.items() if name not in declared}
        given = {name: values for name, values in columns.items() if name in declared}
        return Table.filled(schema.EVENTS, len(times), self._state.names, **given).extended(**own)

    def close(self) -> Table:
        """The end of all streams."""
        table = self.take(None)
        self._state.losses.close()
        note_contents(self._state)
        return table
