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
ALWAYS = ("event", "dev", "skbaddr", "len", "protocol", "flags")
_OF_SAMPLES = ("time_ns", "cpu", "pid", "tid")


def no_columns() -> Columns:
    """The columns every recording has, with no rows."""
    return {"at": np.empty(0, np.int64), **{name: np.empty(0, DECLARED[name][0]) for name in (*_OF_SAMPLES, *ALWAYS)}}


def missing(name: str, length: int, dtype: np.dtype[np.generic] | None = None) -> Array:
    """A column that some events don't have: the schema's sentinel; in a requested field's 0, None, or -1 for texts."""
    if name in DECLARED:
        declared, sentinel = DECLARED[name]
        return np.full(length, sentinel, declared)
    if dtype is None or dtype.kind == "O":
        return np.full(length, None, object)
    return np.full(length, -1 if dtype == np.int32 else 0, dtype)


def joined(pieces: Sequence[Columns]) -> Columns:
    """Pieces one after the other; what one lacks and another has is filled as missing."""
    if len(pieces) == 1:
        return pieces[0]
    if not pieces:
        return no_columns()
    lengths = [len(next(iter(piece.values()))) for piece in pieces]
    names = dict.fromkeys(name for piece in pieces for name in piece)
    return {name: one_column(name, [piece.get(name) for piece in pieces], lengths) for name in names}


def one_column(name: str, pieces: Sequence[Array | None], lengths: Sequence[int]) -> Array:
    """One column of several tables; None where a table doesn't have it. A missing one stays a view of one element."""
    present = [piece for piece in pieces if piece is not None]
    dtype = present[0].dtype
    first = next((piece[0] for piece in present if len(piece)), None)
    same = all(piece.strides == (0,) and (not len(piece) or piece[0] == first) for piece in present)
    if first is not None and same and len(present) == len(pieces):
        return np.broadcast_to(np.array(first, dtype), sum(lengths))
    filled = [
        missing(name, length, dtype) if piece is None else piece for piece, length in zip(pieces, lengths, strict=True)
    ]
    return np.concatenate(filled)


def taken(columns: Columns, rows: Array | slice) -> Columns:
    """The rows of an index array, a mask or a slice."""
    if isinstance(rows, np.ndarray) and rows.dtype != bool:  # "clip" spares numpy a copy that guards against errors
        return {
            name: np.broadcast_to(values[0], len(rows))
            if values.strides == (0,) and len(values)
            else values.take(rows, mode="clip")
            for name, values in columns.items()
        }
    return {name: values[rows] for name, values in columns.items()}


def without(columns: Columns, rows: Sequence[int]) -> Columns:
    """All but a few rows, which are ascending: what stands between them is copied as a piece."""
    begins = [0, *(row + 1 for row in rows)]
    return {
        name: np.concatenate([values[begin:end] for begin, end in zip(begins, [*rows, len(values)], strict=True)])
        for name, values in columns.items()
    }
