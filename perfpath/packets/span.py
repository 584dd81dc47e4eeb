"""Where headers are looked for: stretches of bytes in a flat memory, one for each packet still being read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from perfpath.tables import Array

BOUNDLESS = 1 << 60
"""A declared end nobody declared."""


@dataclass(frozen=True, slots=True)
class Span:
    """m stretches of bytes, as four int64[m].

    rows: the rows of the sheet that their values belong to. at: where the next header begins, in the flat memory.
    end: where the bytes at hand end. stop: where the packet's own lengths say it ends; it may be beyond `end`
    (cut off by the capture) or before it (padding).
    """

    rows: Array
    at: Array
    end: Array
    stop: Array

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, chosen: Array) -> Span:
        """The stretches of a mask or an index array."""
        if chosen.dtype == bool:
            if chosen.all():
                return self
            chosen = np.flatnonzero(chosen)
        return Span(self.rows[chosen], self.at[chosen], self.end[chosen], self.stop[chosen])

    def advanced(self, size: int | Array) -> Span:
        """The same, with what begins `size` bytes later."""
        return Span(self.rows, self.at + size, self.end, self.stop)

    def stopped(self, stop: Array) -> Span:
        """The same, ending at `stop` where that is earlier than it was."""
        return Span(self.rows, self.at, self.end, np.minimum(self.stop, stop))

    def quoted(self, chosen: Array | None = None) -> Span:
        """The same as quotations (all, or a mask's): their declared end is where somebody cut them off."""
        if chosen is None:
            chosen = np.ones(len(self), bool)
        end = np.where(chosen, np.minimum(self.end, self.stop), self.end)
        return Span(self.rows, self.at, end, np.where(chosen, BOUNDLESS, self.stop))

    def room(self) -> Array:
        """How many bytes can be read of each; negative where it begins behind its end."""
        return np.minimum(self.end, self.stop) - self.at


def joined(spans: list[Span]) -> Span:
    """Several spans, one after the other."""
    if len(spans) == 1:
        return spans[0]
    none = np.empty(0, np.int64)
    parts = [(span.rows, span.at, span.end, span.stop) for span in spans] or [(none, none, none, none)]
    return Span(*(np.concatenate(column) for column in zip(*parts, strict=True)))


class Memory:
    """Flat bytes, from which structured records are gathered at any place.

    Packets are copied into it some at a time: read in order once, they stand in the processor's cache from then on.
    """

    def __init__(self, size: int) -> None:
        self.flat = np.empty(size, np.uint8)

    def fill(self, raw: Array) -> None:
        """Replace its beginning by these rows of bytes."""
        self.flat[: raw.size].reshape(raw.shape)[...] = raw

    def gather(self, at: Array, layout: np.dtype[np.void]) -> Array:
        """The records that begin at these places. Each must lie inside the memory: the caller has checked.

        Whole records are copied as opaque bytes from a view with a stride of one: three times as fast as bytes one
        by one, and structured types themselves would be copied field by field.
        """
        size = layout.itemsize
        if not len(at):
            return np.empty(0, layout)
        windows = np.ndarray((len(self.flat) - size + 1,), np.dtype(f"V{size}"), self.flat.data, strides=(1,))
        records: Array = windows[at].view(layout)
        return records
