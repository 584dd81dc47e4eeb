"""Columns of events as they were decoded, before they are sorted and become a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from perfpath import schema

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfpath.tables import Array

Columns = dict[str, "Array"]
"""Column -> values, all of one length. `at`, the record's place, stands beside the columns of EVENTS."""

DECLARED = {c.name: (np.dtype("int32" if c.dtype == "category" else c.dtype), c.missing) for c in schema.EVENTS}
_OWN = {"at": np.dtype(np.int64)}
_ALWAYS = ("time_ns", "cpu", "pid", "tid", "event", "dev", "skbaddr", "len", "protocol", "flags")


def no_columns() -> Columns:
    """The columns every recording has, with no rows."""
    return {"at": np.empty(0, np.int64), **{name: np.empty(0, DECLARED[name][0]) for name in _ALWAYS}}


def missing(name: str, length: int, dtype: np.dtype[np.generic] | None = None) -> Array:
    """A column that some events don't have: the schema's sentinel; in a requested field's 0, None, or -1 for texts."""
    if name in DECLARED:
        declared, sentinel = DECLARED[name]
        return np.full(length, sentinel, np.int64).astype(declared)
    if dtype is None or dtype.kind == "O":
        return np.full(length, None, object)
    return np.full(length, -1 if dtype == np.int32 else 0, dtype)


def joined(pieces: Sequence[Columns]) -> Columns:
    """Pieces one after the other; what one lacks and another has is filled as missing."""
    if len(pieces) == 1:
        return pieces[0]
    if not pieces:
        return no_columns()
    dtypes = {name: values.dtype for piece in pieces for name, values in piece.items()}
    lengths = [len(next(iter(piece.values()))) for piece in pieces]
    return {
        name: np.concatenate(
            [
                piece[name] if name in piece else missing(name, length, dtype)
                for piece, length in zip(pieces, lengths, strict=True)
            ]
        )
        for name, dtype in dtypes.items()
    }


def taken(columns: Columns, rows: Array | slice) -> Columns:
    """The rows of an index array, a mask or a slice."""
    return {name: values[rows] for name, values in columns.items()}
