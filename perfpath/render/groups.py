"""Rows that look alike: what is formatted once for each distinct combination, not for each row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from perfpath.tables import Array, Table

_ROOM = 2**62
_SPARSE = 4  # a look-up table may have so many times more entries than there are rows


def distinct(*columns: Array) -> tuple[list[int], Array]:
    """Distinct combinations over integer columns of one length (no uint64).

    Returns a row where each stands, and for each row the number of its combination.
    """
    rows = len(columns[0])
    packed, size = np.zeros(rows, dtype=np.int64), 1
    for column in columns if rows else ():
        low = int(column.min())
        span = int(column.max()) - low + 1
        if size * span >= _ROOM:
            _, packed = np.unique(packed, return_inverse=True)
            size = int(packed.max()) + 1
        if span > 1:
            packed = packed * span + (column.astype(np.int64) - low)
            size *= span
    if size > _SPARSE * rows:
        _, first, codes = np.unique(packed, return_index=True, return_inverse=True)
        return first.tolist(), codes
    row_of = np.full(size, -1)
    row_of[packed[::-1]] = np.arange(rows - 1, -1, -1)  # the first of each stays
    used = np.flatnonzero(row_of >= 0)
    code_of = np.empty(size, dtype=np.int64)
    code_of[used] = np.arange(len(used))
    return row_of[used].tolist(), code_of[packed]


def bounds(hops: Table, journeys: Table) -> Array:
    """Where the hops of each journey begin, and the end: hops of journey row i are rows [i] to [i+1] of HOPS."""
    ends = np.cumsum(journeys["hops"], dtype=np.int64)
    if len(ends) and int(ends[-1]) == len(hops):  # none of them was shown before
        return np.concatenate((np.zeros(1, np.int64), ends))
    starts = np.searchsorted(hops["journey"], journeys["journey"])
    return np.append(starts, len(hops))


def of_journeys(hops: Table, journeys: Table, column: str) -> Array:
    """A column of JOURNEYS for each row of HOPS (all hops' journeys must be there, sorted)."""
    rows = np.searchsorted(journeys["journey"], hops["journey"])
    values: Array = journeys[column][rows]
    return values
