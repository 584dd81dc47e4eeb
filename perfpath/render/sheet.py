"""CSV: one row a hop, with what is known of its journey. Unknown cells are empty; names are escaped to be visible."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import numpy as np

from perfpath import schema
from perfpath.escape import visible
from perfpath.render.groups import bounds, distinct
from perfpath.render.packet import FACTS, around

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfpath.diagnostics import Diagnostics
    from perfpath.journeys.tracker import Update
    from perfpath.render.console import Sink
    from perfpath.render.summary import Tally
    from perfpath.tables import Array, Table

OF_JOURNEY = ("journey", "role", "peer", "path", "complete", "outcome", "reason", "location", "hook")
LINEAGE = ("parent", "lineage")
OUTER = ("outer",)
NUMBERS = ("hop", "time_ns", "delta_ns")
PLACE = ("event", "direction", "dev", "netns", "netns_name", "evidence", "candidates")
TASK = ("protocol", "cpu", "pid", "tid", "comm")
SPANS = ("queue_ns", "xmit_ns", "backlog_ns")
HEADER = (*OF_JOURNEY, *NUMBERS, *PLACE, "len", *TASK, "skbaddr", *SPANS, *FACTS, *LINEAGE, *OUTER)
CHUNK = 16384  # journeys at once: bounds the memory

_MISSING = {column.name: column.missing for column in (*schema.HOPS, *schema.JOURNEYS)}


class SheetWriter:
    """Writes the column names at once, and journeys when they can't grow any more."""

    def __init__(self, stream: Sink) -> None:
        self._stream = stream
        stream.write(",".join(HEADER) + "\n")

    def show(self, update: Update) -> None:
        """Write the hops of closed journeys."""
        result = update.closed
        edges = bounds(result.hops, result.journeys)
        for start in range(0, len(result.journeys), CHUNK):
            part = edges[start : start + CHUNK + 1]
            journeys = result.journeys.take(slice(start, start + CHUNK))
            self._stream.write(_text(journeys, result.hops.take(slice(part[0], part[-1])), part))
        self._stream.flush()

    def end(self, tally: Tally, diagnostics: Diagnostics) -> None:
        """Nothing more: the summary goes elsewhere."""


def _text(journeys: Table, hops: Table, edges: Array) -> str:
    """The rows of some journeys; what repeats is formatted once for each combination, quoted by the csv module."""
    of_journey = _rows(journeys, OF_JOURNEY)
    facts = _rows(journeys, (*FACTS, *LINEAGE))
    rows = np.repeat(np.arange(len(journeys)), np.diff(edges)).tolist()
    lead, tail = [of_journey[row] for row in rows], [facts[row] for row in rows]
    columns = (hops[name].tolist() for name in NUMBERS)
    place, length, task, skbaddr = _combined(hops, PLACE), hops["len"].tolist(), _combined(hops, TASK), hops["skbaddr"]
    return "".join(
        [
            f"{journey},{number},{time},{delta},{where},{size or ''},{who},{address:#x},{spans},{of_packet},{wrapped}\n"
            for journey, number, time, delta, where, size, who, address, spans, of_packet, wrapped in zip(
                *(lead, *columns, place, length, task, skbaddr.tolist(), _combined(hops, SPANS), tail, around(hops)),
                strict=True,
            )
        ]
    )


def _combined(table: Table, columns: Sequence[str]) -> list[str]:
    """Some columns of each row, as CSV."""
    rows, codes = distinct(*(table[column] for column in columns))
    texts = _rows(table.take(np.array(rows, dtype=np.int64)), columns)
    return [texts[code] for code in codes.tolist()]


def _rows(table: Table, columns: Sequence[str]) -> list[str]:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(zip(*(_cells(table, column) for column in columns), strict=True))
    return text.getvalue().split("\n")


def _cells(table: Table, column: str) -> Sequence[object]:
    if column not in table:
        return [""] * len(table)
    values = table[column].tolist()
    if column in table.names:
        texts = [*map(visible, table.names[column].texts), ""]
        return [texts[code] for code in values]
    if column == "complete":
        return ["true" if value else "false" for value in values]
    missing = _MISSING[column]
    return ["" if value == missing else value for value in values]
