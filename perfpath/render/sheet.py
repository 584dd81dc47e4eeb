"""CSV: one row a hop, with what is known of its journey. Unknown cells are empty; names are escaped to be visible."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

import numpy as np

from perfpath import schema
from perfpath.escape import visible
from perfpath.render.groups import bounds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfpath.diagnostics import Diagnostics
    from perfpath.journeys.tracker import Result, Update
    from perfpath.render.console import Sink
    from perfpath.render.summary import Tally
    from perfpath.tables import Table

OF_JOURNEY = ("journey", "role", "peer", "path", "complete")
OF_HOP = (
    *("hop", "time_ns", "delta_ns", "event", "direction", "dev", "netns", "netns_name", "evidence", "candidates"),
    *("len", "protocol", "cpu", "pid", "tid", "comm", "skbaddr", "queue_ns", "xmit_ns", "backlog_ns"),
)
HEADER = (*OF_JOURNEY, *OF_HOP)
CHUNK = 16384  # journeys at once: bounds the memory

_MISSING = {column.name: column.missing for column in (*schema.HOPS, *schema.JOURNEYS)}


class SheetWriter:
    """Writes journeys when they can't grow any more."""

    def __init__(self, stream: Sink) -> None:
        self._stream = stream
        self._csv = csv.writer(stream, lineterminator="\n")
        self._csv.writerow(HEADER)

    def show(self, update: Update) -> None:
        """Write the hops of closed journeys."""
        result = update.closed
        edges = bounds(result.hops, result.journeys)
        for start in range(0, len(result.journeys), CHUNK):
            part = edges[start : start + CHUNK + 1]
            self._rows(result, slice(start, start + CHUNK), part)
        self._stream.flush()

    def end(self, tally: Tally, diagnostics: Diagnostics) -> None:
        """Nothing more: the summary goes elsewhere."""

    def _rows(self, result: Result, rows: slice, edges: Any) -> None:
        of_hop = np.repeat(np.arange(len(edges) - 1), np.diff(edges))
        journeys = result.journeys.take(rows).take(of_hop)
        hops = result.hops.take(slice(edges[0], edges[-1]))
        cells = [_cells(journeys, column) for column in OF_JOURNEY] + [_cells(hops, column) for column in OF_HOP]
        self._csv.writerows(zip(*cells, strict=True))


def _cells(table: Table, column: str) -> Sequence[object]:
    values = table[column].tolist()
    if column in table.names:
        texts = [*map(visible, table.names[column].texts), ""]
        return [texts[code] for code in values]
    if column == "complete":
        return ["true" if value else "false" for value in values]
    if column == "skbaddr":
        return [f"{value:#x}" for value in values]
    missing = _MISSING[column]
    return ["" if value == missing else value for value in values]
