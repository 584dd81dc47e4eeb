"""Samples to columns of EVENTS: each tracepoint's RAW read by the recording's own format."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from perfpath.readers.perfdata.columns import ALWAYS, DECLARED, Columns, missing, no_columns, taken
from perfpath.readers.perfdata.decisions import DecisionReader
from perfpath.readers.perfdata.gather import Offsets, column, windows
from perfpath.readers.perfdata.interning import SHORT, Interner
from perfpath.readers.perfdata.probed import packets_of

if TYPE_CHECKING:
    import numpy.typing as npt

    from perfpath.readers.perfdata.formats import Field, Format
    from perfpath.readers.perfdata.plan import Plan
    from perfpath.readers.perfdata.probed import Probed
    from perfpath.readers.perfdata.samples import Samples
    from perfpath.readers.perfdata.state import State
    from perfpath.tables import Array

_COMMON_SIZE = 8  # common_type to common_pid


class EventReader:
    """Reads RAW data of samples into columns."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._interners: dict[str, Interner] = {}
        self._decisions: dict[str, DecisionReader] = {}

    def read(self, buffer: npt.NDArray[np.uint8], samples: Samples, expected: Array | None) -> tuple[Columns, Offsets]:
        """Columns in the order of the samples, and the offsets of records whose RAW can't be what it says.

        expected: the tracepoint each sample's attr is of, where known; RAW must agree. Samples of tracepoints without
        a format are left out and noted.
        """
        whole = samples.raw_size >= _COMMON_SIZE
        types = self._types(samples.raw_head)
        if expected is not None:
            whole &= types == expected
        bad = [samples.at[~whole]]
        if not whole.all():
            samples, types = samples.take(whole), types[whole]
        pieces = []
        for plans in self._alike(types):
            rows = _rows_of(types, plans)
            rows, columns, refused = self._read_one(buffer, samples, rows, next(iter(plans.values())))
            if len(plans) > 1:
                codes = np.zeros(max(plans) + 1, np.int32)
                codes[list(plans)] = [plan.event for plan in plans.values()]
                columns["event"] = codes[types[rows]]
            bad.append(refused)
            pieces.append((rows, columns))
        return self._merged(buffer, samples, pieces), np.concatenate(bad)

    def _alike(self, types: Array) -> list[dict[int, Plan]]:
        """The plans of these tracepoints, those that read the same fields at the same places together.

        Most of the network's tracepoints have one of three layouts, so that a mixed recording is read in large pieces.
        """
        counts = np.bincount(types) if len(types) else np.empty(0, np.int64)
        groups: dict[object, dict[int, Plan]] = {}
        for tracepoint in np.flatnonzero(counts).tolist():
            plan = self._state.plan(tracepoint)
            if plan is None:
                self._unknown(tracepoint, int(counts[tracepoint]))
                continue
            shape = plan.shape
            groups.setdefault(tracepoint if shape is None else shape, {})[tracepoint] = plan
        return list(groups.values())

    def _types(self, heads: Array) -> Array:
        """common_type, the u16 that RAW begins with, in the byte order of RAW."""
        order, raw_order = self._state.order, self._state.raw_order
        types = (heads if order == "<" else heads >> np.uint32(16)).astype(np.uint16)
        return types if order == raw_order else types.byteswap()

    def _unknown(self, tracepoint: int, count: int) -> None:
        self._state.diagnostics.note(
            "unknown-event",
            "events whose format the recording doesn't have",
            severity="error",
            count=count,
            example=f"tracepoint id {tracepoint}",
        )

    def _read_one(
        self, buffer: npt.NDArray[np.uint8], samples: Samples, rows: Array, plan: Plan
    ) -> tuple[Array, Columns, Offsets]:
        """All samples of one tracepoint: the rows that are whole, their columns, and the offsets of the others."""
        refused = [np.empty(0, np.int64)]
        sizes = samples.raw_size[rows]
        if len(rows) and int(sizes.min()) < plan.format.size:
            fits = sizes >= plan.format.size
            refused.append(samples.at[rows[~fits]])
            rows, sizes = rows[fits], sizes[fits]
        begins = samples.raw[rows]
        raw = windows(buffer, begins, max(plan.format.size, _COMMON_SIZE))
        texts = {name: f for name, f in {"dev": plan.dev, **plan.extra}.items() if f is not None and f.kind != "number"}
        spans = {name: self._span(raw, field) for name, field in texts.items()}
        inside = np.ones(len(rows), bool)
        for start, length in spans.values():
            inside &= start + length <= sizes
        if not inside.all():
            refused.append(samples.at[rows[~inside]])
            rows, begins, raw = rows[inside], begins[inside], np.ascontiguousarray(raw[inside])
            spans = {name: (start[inside], length[inside]) for name, (start, length) in spans.items()}
        columns = self._numbers(raw, plan)
        if plan.probed is not None and len(rows):
            of_packets = columns.get("len", np.zeros(len(rows), np.uint32)), columns.get("protocol")
            columns["packet"] = self._packets(raw, plan.probed, *of_packets)
        if plan.decides:
            columns["decision"] = self._decided(raw, plan.format)
        for name, (start, length) in spans.items():
            columns[name] = self._texts(buffer, begins + start, length, name, texts[name])
        return rows, columns, np.concatenate(refused)

    def _decided(self, raw: npt.NDArray[np.uint8], form: Format) -> Array:
        """Codes of what the events say, which is read once for each different one."""
        if form.event not in self._decisions:
            self._decisions[form.event] = DecisionReader(form, self._state.names["decision"])
        return self._decisions[form.event].codes(raw, self._state.raw_order)

    def _packets(
        self, raw: npt.NDArray[np.uint8], where: Probed, length: Array, protocol: Array | None
    ) -> npt.NDArray[np.int64]:
        """The numbers of the packets' first bytes, which are kept beside the events."""
        protocol = np.zeros(len(raw), np.uint16) if protocol is None else protocol
        first = self._state.packets.add(packets_of(raw, self._state.raw_order, where, length, protocol))
        return np.arange(first, first + len(raw), dtype=np.int64)

    def _span(self, raw: npt.NDArray[np.uint8], field: Field) -> tuple[Offsets, Offsets]:
        """Where an array's bytes begin in RAW, and how many there are."""
        if field.kind == "array" or field.size != 4:
            return np.full(len(raw), field.offset, np.int64), np.full(len(raw), field.size, np.int64)
        place = column(raw, field.offset, "u4", self._state.raw_order).astype(np.int64)
        start = (place & 0xFFFF) + (field.end if field.kind == "relative" else 0)
        return start, place >> 16

    def _numbers(self, raw: npt.NDArray[np.uint8], plan: Plan) -> Columns:
        order = self._state.raw_order
        columns: Columns = {"event": np.broadcast_to(np.int32(plan.event), len(raw))}
        fields = dict(plan.numbers)
        if plan.flags is not None:
            fields["flags"] = plan.flags
        for name, field in fields.items():
            values = column(raw, field.offset, _code(field), order)
            if name == "protocol" and plan.swap_protocol and order == "<":
                values = values.astype(np.uint16).byteswap()
            columns[name] = values.astype(DECLARED[name][0], copy=False)
        for name, field in plan.named.items():
            columns[name] = self._named(column(raw, field.offset, _code(field), order), name, plan.format)
        for name, field in plan.extra.items():
            if field.kind == "number":
                wide = np.uint64 if field.size == 8 and not field.signed else np.int64
                columns[name] = column(raw, field.offset, _code(field), order).astype(wide)
        return columns

    def _named(self, values: Array, name: str, form: Format) -> Array:
        """Codes of what the values are called, each distinct one looked up once."""
        distinct, inverse = np.unique(values, return_inverse=True)
        symbols = form.symbols.get(name)
        texts = [hex(value) if symbols is None else symbols.text(value) for value in distinct.tolist()]
        codes = np.array([self._state.names[name].code(text) for text in texts], dtype=np.int32)
        named: Array = codes[inverse]
        return named

    def _texts(self, buffer: npt.NDArray[np.uint8], at: Offsets, lengths: Offsets, name: str, field: Field) -> Array:
        """Codes of strings, or bytes objects for arrays of something else."""
        if name != "dev" and not field.is_text:
            data = buffer.data
            found = np.empty(len(at), object)
            found[:] = [bytes(data[a : a + n]) for a, n in zip(at.tolist(), lengths.tolist(), strict=True)]
            return found
        if name not in self._interners:
            self._interners[name] = Interner(self._state.names[name])
        interner = self._interners[name]
        long = np.flatnonzero(lengths > SHORT)
        codes = interner.short(windows(buffer, at, SHORT), np.minimum(lengths, SHORT))
        if len(long):
            codes[long] = interner.long(buffer, at[long], lengths[long])
        return codes

    def _merged(self, buffer: npt.NDArray[np.uint8], samples: Samples, pieces: list[tuple[Array, Columns]]) -> Columns:
        """The columns of all tracepoints together, in the order of the samples."""
        if not pieces:
            return no_columns()
        rows, columns = pieces[0]
        if len(pieces) > 1:
            rows, columns = _scattered(pieces, len(samples.at))
        if len(rows) < len(samples.at):
            samples = samples.take(rows)
        for name in ALWAYS:
            if name not in columns:
                columns[name] = missing(name, len(rows))
        columns["at"], columns["time_ns"] = samples.at, samples.time_ns
        columns["cpu"] = np.clip(samples.cpu, -1, 0x7FFF).astype(np.int16)
        columns["pid"], columns["tid"] = samples.pid, samples.tid
        if samples.chain is not None and samples.chain_length is not None:
            columns["stack"] = self._state.stacks.intern(buffer, samples.chain, samples.chain_length, self._state.order)
        return columns


def _rows_of(types: Array, plans: dict[int, Plan]) -> Array:
    """Which samples are of these tracepoints."""
    if len(plans) == 1:
        return np.flatnonzero(types == next(iter(plans)))
    mine = np.zeros(1 << 16, bool)
    mine[list(plans)] = True
    return np.flatnonzero(mine[types])


def _code(field: Field) -> str:
    return f"{'i' if field.signed else 'u'}{field.size}"


def _scattered(pieces: list[tuple[Array, Columns]], length: int) -> tuple[Array, Columns]:
    """Columns of several tracepoints put at their samples' rows; the rows that none fills are left out."""
    dtypes = {name: values.dtype for _, columns in pieces for name, values in columns.items()}
    whole = sum(len(rows) for rows, _ in pieces) == length
    merged: Columns = {}
    for name, dtype in dtypes.items():
        everywhere = whole and all(name in columns for _, columns in pieces)
        merged[name] = np.empty(length, dtype) if everywhere else missing(name, length, dtype)
        for rows, columns in pieces:
            if name in columns:
                merged[name][rows] = columns[name]
    if whole:
        return np.arange(length), merged
    filled = np.sort(np.concatenate([rows for rows, _ in pieces]))
    return filled, taken(merged, filled)
