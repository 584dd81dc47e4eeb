"""Fields of RAW, a column at a time: in each sample where its own tracepoint's format has the field.

So a mixed recording, in which tracepoints alternate, is read in pieces as large as a uniform one's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from perfpath.readers.perfdata.gather import Offsets, beside, column, windows

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from perfpath.readers.perfdata.formats import Field
    from perfpath.tables import Array

_NOWHERE = 1 << 40  # a field there is read from the zeros behind the buffer's data


@dataclass(frozen=True, slots=True)
class Raws:
    """RAW data of samples of several formats, which have numbers; sequences of fields have one for each of them.

    buffer: with SLACK behind. begins: where each RAW is, 4 bytes behind a multiple of 8. which: the number of its
    format.
    """

    buffer: npt.NDArray[np.uint8]
    begins: Offsets
    which: Array
    order: str

    def take(self, rows: Array) -> Raws:
        """Some of them."""
        return Raws(self.buffer, self.begins[rows], self.which[rows], self.order)

    def each(self, values: Sequence[Any]) -> Array | Any:
        """What is true of each sample, of what is true of each format; one value where all are the same."""
        return values[0] if len(set(values)) == 1 else np.array(values).take(self.which)

    def numbers(self, fields: Sequence[Field | None], dtype: np.dtype[Any] | type[np.generic]) -> Array:
        """A field's number in each sample, 0 where its format has none."""
        return self._sum([None if field is None else (field.offset, field.code) for field in fields], dtype)

    def _sum(self, places: Sequence[tuple[int, str] | None], dtype: np.dtype[Any] | type[np.generic]) -> Array:
        """Numbers of one or more types: where it is of another type, what is read is 0."""
        found: Array | None = None
        for code in dict.fromkeys(place[1] for place in places if place is not None):
            offsets = [_NOWHERE if place is None or place[1] != code else place[0] for place in places]
            values = self._at(offsets, code).astype(dtype, copy=False)
            found = values if found is None else found + values
        return np.zeros(len(self.begins), dtype) if found is None else found

    def _at(self, offsets: Sequence[int], code: str) -> Array:
        at, size = self.begins + self.each(offsets), int(code[1:])
        if not any(offset % size for offset in offsets):
            return beside(self.buffer, at, code, self.order)
        return column(windows(self.buffer, np.minimum(at, len(self.buffer) - size), size), 0, code, self.order)

    def spans(self, fields: Sequence[Field | None]) -> tuple[Offsets, Offsets]:
        """Where an array's bytes begin in each RAW, and how many there are: none where the format has no such field.

        Elsewhere than in the fixed part a u32 stands for them: offset, from RAW's first byte or from the field's end,
        and length.
        """
        there = [None if one is None or _in_place(one) else (one.offset, "u4") for one in fields]
        bases = [
            0 if one is None else one.offset if _in_place(one) else one.end * (one.kind == "relative") for one in fields
        ]
        sizes = [one.size if one is not None and _in_place(one) else 0 for one in fields]
        place = self._sum(there, np.int64)
        return (place & 0xFFFF) + self.each(bases), (place >> 16) + self.each(sizes)

    def alone(self, rows: Array) -> Raws:
        """Some that are of one format, of which alone fields are asked for."""
        return Raws(self.buffer, self.begins[rows], np.zeros(len(rows), np.int64), self.order)

    def whole(self, size: int) -> npt.NDArray[np.uint8]:
        """The first bytes of each RAW, as rows."""
        return windows(self.buffer, self.begins, size)


def _in_place(field: Field) -> bool:
    return field.kind == "array" or field.size != 4
