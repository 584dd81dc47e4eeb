"""Samples to columns of EVENTS: each tracepoint's RAW read by the recording's own format."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from perfpath.readers.perfdata.columns import ALWAYS, DECLARED, Columns, missing, no_columns
from perfpath.readers.perfdata.decisions import DecisionReader
from perfpath.readers.perfdata.fields import Raws
from perfpath.readers.perfdata.gather import Offsets, windows
from perfpath.readers.perfdata.interning import SHORT, Interner
from perfpath.readers.perfdata.naming import Naming
from perfpath.readers.perfdata.plan import COMMON_SIZE
from perfpath.readers.perfdata.probed import packets_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from perfpath.readers.perfdata.formats import Field, Format
    from perfpath.readers.perfdata.plan import Plan
    from perfpath.readers.perfdata.samples import Samples
    from perfpath.readers.perfdata.state import State
    from perfpath.tables import Array

    Span = tuple[Offsets, Offsets]


class EventReader:
    """Reads RAW data of samples into columns."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._interners: dict[str, Interner] = {}
        self._namings: dict[tuple[int, str], Naming] = {}
        self._decisions: dict[str, DecisionReader] = {}

    def read(self, buffer: npt.NDArray[np.uint8], samples: Samples, expected: Array | None) -> tuple[Columns, Offsets]:
        """Columns in the order of the samples, and the offsets of records whose RAW can't be what it says.

        expected: the tracepoint each sample's attr is of, where known; RAW must agree. Samples of tracepoints without
        a format are left out and noted.
        """
        whole = samples.raw_size >= COMMON_SIZE
        types = self._types(samples.raw_head)
        if expected is not None:
            whole &= types == expected
        bad = [samples.at[~whole]]
        if not whole.all():
            samples, types = samples.take(whole), types[whole]
        plans, which = self._plans(types)
        if not plans:
            return no_columns(), bad[0]
        if int(which.min()) < 0:
            samples, which = samples.take(which >= 0), which[which >= 0]
        raws = Raws(buffer, samples.raw, which, self._state.raw_order)
        spans = {
            name: raws.spans(fields)
            for name, fields in _by_name(plans, lambda plan: _texts(plan) | _extra_bytes(plan)).items()
        }
        inside = samples.raw_size >= raws.each([plan.size for plan in plans])
        for start, length in spans.values():
            inside &= start + length <= samples.raw_size
        if not inside.all():
            bad.append(samples.at[~inside])
            samples, raws = samples.take(inside), raws.take(inside)
            spans = {name: (start[inside], length[inside]) for name, (start, length) in spans.items()}
        return self._of_samples(buffer, samples, self._columns(raws, plans, spans)), np.concatenate(bad)

    def _types(self, heads: Array) -> Array:
        """common_type, the u16 that RAW begins with, in the byte order of RAW."""
        order, raw_order = self._state.order, self._state.raw_order
        types = (heads if order == "<" else heads >> np.uint32(16)).astype(np.uint16)
        return types if order == raw_order else types.byteswap()

    def _plans(self, types: Array) -> tuple[list[Plan], Array]:
        """The plans of these tracepoints, and the number of each one's among them, -1 where there is none."""
        counts = np.bincount(types) if len(types) else np.empty(0, np.int64)
        numbers = np.full(len(counts), -1)
        plans: list[Plan] = []
        for tracepoint in np.flatnonzero(counts).tolist():
            plan = self._state.plan(tracepoint)
            if plan is None:
                self._unknown(tracepoint, int(counts[tracepoint]))
            else:
                numbers[tracepoint] = len(plans)
                plans.append(plan)
        return plans, numbers.take(types)

    def _unknown(self, tracepoint: int, count: int) -> None:
        self._state.diagnostics.note(
            "unknown-event",
            "events whose format the recording doesn't have",
            severity="error",
            count=count,
            example=f"tracepoint id {tracepoint}",
        )

    def _columns(self, raws: Raws, plans: list[Plan], spans: dict[str, Span]) -> Columns:
        """What RAW says. spans: where the arrays are."""
        length = len(raws.begins)
        columns: Columns = {"event": np.broadcast_to(raws.each([np.int32(plan.event) for plan in plans]), length)}
        for name, fields in _by_name(plans, lambda plan: plan.numbers).items():
            columns[name] = _numbers(raws, plans, name, fields)
        for name, fields in _by_name(plans, _extra_numbers).items():
            wide = np.uint64 if any(one and one.size == 8 and not one.signed for one in fields) else np.int64
            columns[name] = raws.numbers(fields, wide)
        for name in _by_name(plans, _texts):
            columns[name] = self._codes(raws, *spans[name], name)
        for name in ALWAYS:
            if name not in columns:
                columns[name] = missing(name, length)
        for number, plan in enumerate(plans):
            if plan.special:
                rows = np.flatnonzero(raws.which == number)
                for name, values in self._special(raws, rows, plan, columns, spans).items():
                    columns.setdefault(name, missing(name, length, values.dtype))[rows] = values
        return columns

    def _special(self, raws: Raws, rows: Array, plan: Plan, columns: Columns, spans: dict[str, Span]) -> Columns:
        """What is read for one tracepoint alone: the values in its samples' rows."""
        raws, form = raws.alone(rows), plan.format
        found: Columns = {}
        for name, field in plan.named.items():
            found[name] = self._naming(form, name).codes(raws.numbers([field], np.dtype(field.code)))
        for name in _extra_bytes(plan):
            start, length = spans[name]
            found[name] = _bytes(raws.buffer, raws.begins + start[rows], length[rows])
        if plan.probed is not None and len(rows):
            whole = raws.whole(plan.size), raws.order
            packets = packets_of(*whole, plan.probed, columns["len"][rows], columns["protocol"][rows])
            first = self._state.packets.add(packets)
            found["packet"] = np.arange(first, first + len(rows), dtype=np.int64)
        if plan.decides:
            found["decision"] = self._decisions_of(form).codes(raws.whole(plan.size), raws.order)
        return found

    def _naming(self, form: Format, name: str) -> Naming:
        key = form.id, name
        if key not in self._namings:
            self._namings[key] = Naming(self._state.names[name], form.symbols.get(name))
        return self._namings[key]

    def _decisions_of(self, form: Format) -> DecisionReader:
        if form.event not in self._decisions:
            self._decisions[form.event] = DecisionReader(form, self._state.names["decision"])
        return self._decisions[form.event]

    def _codes(self, raws: Raws, start: Offsets, lengths: Offsets, name: str) -> Array:
        """Codes of strings."""
        if name not in self._interners:
            self._interners[name] = Interner(self._state.names[name])
        interner, at = self._interners[name], raws.begins + start
        codes = interner.short(windows(raws.buffer, at, SHORT), np.minimum(lengths, SHORT))
        long = np.flatnonzero(lengths > SHORT)
        if len(long):
            codes[long] = interner.long(raws.buffer, at[long], lengths[long])
        return codes

    def _of_samples(self, buffer: npt.NDArray[np.uint8], samples: Samples, columns: Columns) -> Columns:
        """The columns with those that stand before RAW."""
        columns["at"], columns["time_ns"] = samples.at, samples.time_ns
        columns["cpu"] = np.clip(samples.cpu, -1, 0x7FFF).astype(np.int16)
        columns["pid"], columns["tid"] = samples.pid, samples.tid
        if samples.chain is not None and samples.chain_length is not None:
            columns["stack"] = self._state.stacks.intern(buffer, samples.chain, samples.chain_length, self._state.order)
        return columns


def _by_name(plans: list[Plan], fields: Callable[[Plan], dict[str, Field]]) -> dict[str, list[Field | None]]:
    """Columns that any of the plans has: the field of each plan, None where it has none."""
    found = [fields(plan) for plan in plans]
    return {name: [one.get(name) for one in found] for name in dict.fromkeys(name for one in found for name in one)}


def _texts(plan: Plan) -> dict[str, Field]:
    texts = {name: field for name, field in plan.extra.items() if field.is_text}
    return texts if plan.dev is None else {"dev": plan.dev, **texts}


def _extra_numbers(plan: Plan) -> dict[str, Field]:
    return {name: field for name, field in plan.extra.items() if field.kind == "number"}


def _extra_bytes(plan: Plan) -> dict[str, Field]:
    return {name: field for name, field in plan.extra.items() if field.kind != "number" and not field.is_text}


def _numbers(raws: Raws, plans: list[Plan], name: str, fields: list[Field | None]) -> Array:
    """A column of EVENTS that is a number; what isn't in network byte order, and what is, are read for themselves."""
    dtype, sentinel = DECLARED[name]
    turned = [name == "protocol" and plan.swap_protocol and raws.order == "<" for plan in plans]
    values = raws.numbers([None if turn else field for field, turn in zip(fields, turned, strict=True)], dtype)
    if any(turned):
        others = [field if turn else None for field, turn in zip(fields, turned, strict=True)]
        values += raws.numbers(others, dtype).byteswap()
    if sentinel and None in fields:
        values[raws.each([field is None for field in fields])] = sentinel
    return values


def _bytes(buffer: npt.NDArray[np.uint8], at: Offsets, lengths: Offsets) -> Array:
    """Bytes objects, of arrays that aren't texts."""
    data, found = buffer.data, np.empty(len(at), object)
    found[:] = [
        bytes(data[start : start + length]) for start, length in zip(at.tolist(), lengths.tolist(), strict=True)
    ]
    return found
