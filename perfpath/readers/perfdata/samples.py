"""The part of a sample that perf defines: when, on which CPU, which thread, and where its RAW data stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from perfpath.readers.perfdata.gather import Offsets, halves, words

if TYPE_CHECKING:
    import numpy.typing as npt

    from perfpath.readers.perfdata.layout import SampleLayout
    from perfpath.tables import Array


@dataclass(slots=True)
class Samples:
    """Samples of one layout, as columns.

    at: offset of the record. id: the event's id, None where the layout has none. raw, raw_size: RAW's bytes.
    chain, chain_length: the callchain's first address and their number, None where the layout has none.
    raw_head: RAW's first four bytes as a number.
    """

    at: Offsets
    time_ns: Array
    cpu: Array
    pid: Array
    tid: Array
    id: Array | None
    raw: Offsets
    raw_size: Offsets
    raw_head: Array
    chain: Offsets | None
    chain_length: Offsets | None

    def take(self, rows: Array) -> Samples:
        """Some of them."""
        return Samples(
            self.at[rows],
            self.time_ns[rows],
            self.cpu[rows],
            self.pid[rows],
            self.tid[rows],
            None if self.id is None else self.id[rows],
            self.raw[rows],
            self.raw_size[rows],
            self.raw_head[rows],
            None if self.chain is None else self.chain[rows],
            None if self.chain_length is None else self.chain_length[rows],
        )


def read_samples(
    buffer: npt.NDArray[np.uint8], at: Offsets, sizes: Offsets, layout: SampleLayout, order: str
) -> tuple[Samples, Offsets, Offsets]:
    """The samples that stand at these offsets, the offsets of those that can't be what they say, and of early ones.

    The layout has RAW. An early one is kept, but ends before its record does.
    A sample is refused where a count or size in it leads out of its record.
    """
    bad: list[Offsets] = []
    fits = sizes >= layout.size + layout.read_fixed + (8 if layout.callchain else 0) + 4
    if not fits.all():
        bad.append(at[~fits])
        at, sizes = at[fits], sizes[fits]
    after, chain, length = _variable_part(buffer, at, layout, order)
    # counts were limited to 2**16 entries, so nothing overflows; a place outside the record is refused here
    inside = after + 4 <= at + sizes
    size, head = halves(words(buffer, after, order), order)
    raw_size = size.astype(np.int64)
    left = at + sizes - (after + 4 + raw_size)
    inside &= left >= 0
    early = at[inside & (left > 0)] if layout.raw_last else at[:0]  # the kernel pads RAW to the record's end
    samples = _fixed_part(buffer, at, layout, order)
    samples.raw, samples.raw_size, samples.raw_head = after + 4, raw_size, head
    samples.chain, samples.chain_length = chain, length
    if not inside.all():
        bad.append(at[~inside])
        samples = samples.take(inside)
    return samples, np.concatenate(bad) if bad else at[:0], early


def _variable_part(
    buffer: npt.NDArray[np.uint8], at: Offsets, layout: SampleLayout, order: str
) -> tuple[Offsets, Offsets | None, Offsets | None]:
    """Where RAW begins, and the callchain's place and length."""
    after = at + layout.size
    if layout.read_group:
        after = after + layout.read_fixed + layout.read_entry * _count(buffer, after, order)
    elif layout.read_fixed:
        after = after + layout.read_fixed
    if not layout.callchain:
        return after, None, None
    limit = len(buffer) - 8
    length = _count(buffer, np.minimum(after, limit), order)
    return after + 8 + 8 * length, after + 8, length


def _count(buffer: npt.NDArray[np.uint8], at: Offsets, order: str) -> Offsets:
    counts: Offsets = np.minimum(words(buffer, at, order), 1 << 16).astype(np.int64)
    return counts


def _fixed_part(buffer: npt.NDArray[np.uint8], at: Offsets, layout: SampleLayout, order: str) -> Samples:
    empty = np.empty(0, np.int64)
    unknown = np.full(len(at), -1, np.int32)

    def word(offset: int) -> Array:
        return words(buffer, at + offset, order)

    pid = tid = cpu = unknown
    if layout.tid >= 0:
        pid, tid = (half.view(np.int32) for half in halves(word(layout.tid), order))
    if layout.cpu >= 0:
        cpu = halves(word(layout.cpu), order)[0].view(np.int32)
    return Samples(
        at=at,
        time_ns=word(layout.time).view(np.int64) if layout.time >= 0 else np.zeros(len(at), np.int64),
        cpu=cpu,
        pid=pid,
        tid=tid,
        id=word(layout.id) if layout.id >= 0 else None,
        raw=empty,
        raw_size=empty,
        raw_head=empty,
        chain=None,
        chain_length=None,
    )
