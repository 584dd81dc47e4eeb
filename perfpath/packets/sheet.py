"""A table being filled: columns come into being when the first value for them does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from perfpath.packets.schema import COMPLETE, INNER, MALFORMED, PACKETS, TRUNCATED
from perfpath.tables import Table

if TYPE_CHECKING:
    from perfpath.packets.span import Memory, Span
    from perfpath.tables import Array

_DECLARED = {column.name: column for column in INNER}


class Sheet:
    """Rows of one level; where nothing is set, a value is missing.

    base: int64, one for each row: where its packet's bytes begin in the memory.
    """

    def __init__(self, memory: Memory, base: Array) -> None:
        self.memory = memory
        self.base = base
        self.length = len(base)
        self.columns: dict[str, Array] = {}

    def set(self, name: str, rows: Array, values: Array | int) -> None:
        """Write values of a column into rows."""
        column = self.columns.get(name)
        if column is None:
            declared = _DECLARED[name]
            dtype = np.dtype(declared.dtype)
            column = self.columns[name] = np.full(self.length, np.array(declared.missing).astype(dtype), dtype)
        column[rows] = np.asarray(values).astype(column.dtype, copy=False)  # twice as fast as casting while scattering

    def read(self, span: Span, layout: np.dtype[np.void]) -> tuple[Span, Array]:
        """The header at the start of each stretch, for those that have room for it; the others have ended here."""
        fits = layout.itemsize <= span.room()
        if not fits.all():
            self.short(span.take(~fits), layout.itemsize)
            span = span.take(fits)
        return span, self.memory.gather(span.at, layout)

    def short(self, span: Span, size: int | Array) -> None:
        """These end before a header of `size` bytes is over: by their own account, or because they were cut off."""
        self.set("ended", span.rows, np.where(span.at + size > span.stop, MALFORMED, TRUNCATED))

    def malformed(self, span: Span) -> None:
        """These contradict themselves."""
        self.set("ended", span.rows, MALFORMED)

    def begin(self, span: Span) -> None:
        """These are being read: complete unless something is said later."""
        self.set("ended", span.rows, COMPLETE)

    def table(self, *, inner: bool = False) -> Table:
        """All of it as a table."""
        return Table.filled(INNER if inner else PACKETS, self.length, {}, **self.columns)
