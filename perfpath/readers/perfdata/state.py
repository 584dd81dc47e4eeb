"""What is known of a recording while it is read: its attrs, formats, names, threads and losses."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from perfpath.diagnostics import Diagnostics
from perfpath.firstbytes import FirstBytes
from perfpath.readers.perfdata.layout import SampleLayout
from perfpath.readers.perfdata.losses import Losses
from perfpath.readers.perfdata.plan import Plan, plan_for
from perfpath.readers.perfdata.records import ReadFormat, SampleType
from perfpath.readers.perfdata.stacks import Stacks
from perfpath.readers.perfdata.tasks import Tasks
from perfpath.readers.perfdata.tracing import TracingData
from perfpath.tables import Names

if TYPE_CHECKING:
    from perfpath.readers.perfdata.attr import Attr
    from perfpath.readers.perfdata.formats import Format
    from perfpath.readers.recording import Info
    from perfpath.tables import Array

_TABLE = 1 << 16  # ids come from one counter of the kernel and lie close together


@dataclass
class State:
    """Everything that decoding a record may depend on.

    order: "<" or ">". fields: columns the user wants beyond EVENTS, as `event.field`. simpleperf: Android's simpleperf
    made the recording, not perf.
    """

    order: str
    info: Info
    diagnostics: Diagnostics = field(default_factory=Diagnostics)
    fields: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.names: dict[str, Names] = {column: Names() for column in ("comm", "event", "dev")}
        self.tasks = Tasks(self.names["comm"])
        self.losses = Losses(self.diagnostics)
        self.stacks = Stacks()
        self.packets = FirstBytes()
        self.attrs: list[Attr] = []
        self.layouts: list[SampleLayout] = []
        self.layout_of_attr: list[int] = []
        self.simpleperf = False
        self._attr_by_id: dict[int, int] = {}
        self._index: tuple[Array, Array] | None = None
        self._tracing = TracingData(self.order)
        self._plans: dict[int, Plan | None] = {}

    @property
    def raw_order(self) -> str:
        """Byte order of RAW."""
        return self._tracing.order

    @property
    def formats(self) -> dict[int, Format]:
        """The recording's formats by tracepoint id."""
        return self._tracing.formats

    @formats.setter
    def formats(self, formats: dict[int, Format]) -> None:
        self.set_tracing(TracingData(self.order, 8, formats))

    def set_tracing(self, tracing: TracingData) -> None:
        """The formats have come."""
        self._tracing = tracing
        self._plans.clear()
        self._name_events()

    def add_attr(self, attr: Attr) -> None:
        """One more event of the recording."""
        for number in attr.ids:
            self._attr_by_id.setdefault(number, len(self.attrs))
        self._index = None
        self.attrs.append(attr)
        layout = SampleLayout.of(attr)
        if layout not in self.layouts:
            self.layouts.append(layout)
        self.layout_of_attr.append(self.layouts.index(layout))
        if self.info.clockid is None:
            self.info.clockid = attr.clockid
        self._name_events()

    def _name_events(self) -> None:
        known = (self.formats.get(attr.tracepoint) for attr in self.attrs if attr.tracepoint is not None)
        self.info.events = tuple(dict.fromkeys(form.event for form in known if form is not None))

    @property
    def tracepoints(self) -> set[int]:
        """The ids of the tracepoints that were recorded, with their fields."""
        whole = (attr for attr in self.attrs if attr.sample_type & SampleType.RAW)
        return {attr.tracepoint for attr in whole if attr.tracepoint is not None}

    @property
    def has_ids(self) -> bool:
        """Whether the recording says which ids its events carry."""
        return bool(self._attr_by_id)

    def attrs_of(self, ids: Array) -> Array:
        """The number of the attr of each event id, -1 where there is none."""
        if self._index is None:
            self._index = _indexed(self._attr_by_id)
        known, attrs = self._index
        if not len(known):
            return np.full(len(ids), -1, np.int32)
        if len(attrs) > len(known):  # a table over the whole range of ids
            found: Array = attrs[np.minimum(ids - known[0], len(attrs) - 1)]
            return found
        place = np.minimum(np.searchsorted(known, ids), len(known) - 1)
        return np.where(known[place] == ids, attrs[place], -1)

    def concerns(self, event_id: int) -> bool:
        """Whether what befell an event befell tracepoints: not where it is certainly another one, and no group's."""
        number = self._attr_by_id.get(event_id)
        attr = None if number is None else self.attrs[number]
        return attr is None or attr.tracepoint is not None or bool(attr.read_format & ReadFormat.GROUP)

    def layout_of_trailer(self, record: memoryview) -> SampleLayout:
        """The layout of a record's trailer: by its id where all attrs have IDENTIFIER, else all must be alike."""
        first = self.layouts[0]
        if len(self.layouts) == 1 or len(record) < 16:
            return first
        number = int.from_bytes(record[-8:], "little" if self.order == "<" else "big")
        attr = self._attr_by_id.get(number)
        return first if attr is None else self.layouts[self.layout_of_attr[attr]]

    def plan(self, tracepoint: int) -> Plan | None:
        """How to read a tracepoint's RAW; None where its format isn't known."""
        if tracepoint not in self._plans:
            form = self.formats.get(tracepoint)
            code = self.names["event"].code
            plan = None if form is None else plan_for(form, code(form.event), self.fields)
            for column, field_ in plan.extra.items() if plan is not None else ():
                if field_.is_text:
                    self.names.setdefault(column, Names())
            for column in plan.named if plan is not None else ():
                self.names.setdefault(column, Names())
            if plan is not None and plan.decides:
                self.names.setdefault("decision", Names())
            self._plans[tracepoint] = plan
        return self._plans[tracepoint]

    def set_order(self, order: str) -> None:
        """The recording's byte order, before anything else is known of it."""
        self.order = order
        self._tracing = TracingData(order)


def _indexed(attr_by_id: dict[int, int]) -> tuple[Array, Array]:
    """Ids in order, and their attrs: beside each other, or as a table of the whole range with a -1 at its end."""
    known = np.array(sorted(attr_by_id), np.uint64)
    attrs = np.array([attr_by_id[number] for number in known.tolist()], np.int32)
    if not len(known) or int(known[-1]) - int(known[0]) > _TABLE:
        return known, attrs
    table = np.full(int(known[-1]) - int(known[0]) + 2, -1, np.int32)
    table[(known - known[0]).astype(np.int64)] = attrs
    return known, table
