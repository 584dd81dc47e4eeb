"""A run: records of the kernel that stand one after the other, decoded together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from perfpath.errors import InputError
from perfpath.readers.perfdata.columns import Columns, joined, taken
from perfpath.readers.perfdata.duplicates import Duplicates
from perfpath.readers.perfdata.events import EventReader
from perfpath.readers.perfdata.gather import Offsets, words
from perfpath.readers.perfdata.records import KNOWN, Record
from perfpath.readers.perfdata.samples import Samples, read_samples
from perfpath.readers.perfdata.sideband import WANTED, apply_record
from perfpath.readers.perfdata.structure import credible, sized

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from perfpath.readers.perfdata.layout import SampleLayout
    from perfpath.readers.perfdata.state import State
    from perfpath.readers.perfdata.walk import Chain
    from perfpath.tables import Array


class RunReader:
    """Decodes runs of records, in the order of the file."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._events = EventReader(state)
        self.duplicates = Duplicates(state.diagnostics)
        self.refused = 0  # records that weren't what they said, or of unknown types

    def read(
        self, buffer: npt.NDArray[np.uint8], records: Chain, base: int, rounds: Sequence[int] = ()
    ) -> tuple[Columns, Offsets]:
        """Columns of the run's samples (`at` is their place), and the places where rounds ended.

        buffer: with SLACK behind. base: add to an offset in it for one in the file. rounds: where in the buffer rounds
        ended, besides the FINISHED_ROUND records in it.
        """
        at, kinds, sizes = records.at, records.kinds, records.sizes
        is_sample = kinds == Record.SAMPLE
        ended = at[kinds == Record.FINISHED_ROUND]
        if rounds:
            ended = np.sort(np.concatenate([ended, np.array(rounds, np.int64)]))
        if not self._state.attrs:
            self._homeless(int(is_sample.sum()))
            is_sample[:] = False
        else:
            self._side(buffer, at, sizes, kinds, base)
        columns = self._samples(buffer, at[is_sample], sizes[is_sample], base)
        columns = self.duplicates.without(buffer, columns, ended, self._state.order)
        self._state.losses.after_run(columns["at"], columns["cpu"], columns["time_ns"])
        return columns, ended

    def _side(
        self, buffer: npt.NDArray[np.uint8], at: Offsets, sizes: Offsets, kinds: npt.NDArray[np.uint32], base: int
    ) -> None:
        """Records that aren't samples; those of no interest (mappings, exits) are left out."""
        others = np.flatnonzero(kinds != Record.SAMPLE)
        fits = sized(kinds[others], sizes[others], self._state.layouts)
        for place in at[others[~fits]].tolist():
            self.malformed(f"byte {base + place}: a record of a size that its type can't have")
        others = others[fits & (kinds[others] != Record.FINISHED_ROUND)]
        if not len(others):
            return
        fine = credible(buffer, at[others], kinds[others], sizes[others], self._state)
        self._misnamed(kinds[others[~fine]], at[others[~fine]] + base)
        others = others[fine]
        unknown = others[~np.isin(kinds[others], KNOWN[0])]
        if len(unknown):
            self.unknown(int(kinds[unknown[0]]), f"byte {base + int(at[unknown[0]])}", len(unknown))
        others = others[np.isin(kinds[others], WANTED)]
        data = buffer.data
        byteorder = "little" if self._state.order == "<" else "big"
        for row in others.tolist():
            kind, start = int(kinds[row]), int(at[row])
            record = data[start : start + int(sizes[row])]
            misc = int.from_bytes(record[4:6], byteorder)  # type: ignore[arg-type]
            try:
                apply_record(self._state, kind, misc, record, start)
            except InputError as error:
                self.malformed(f"byte {base + start}: {error}")

    def _samples(self, buffer: npt.NDArray[np.uint8], at: Offsets, sizes: Offsets, base: int) -> Columns:
        pieces, bad = [], []
        for layout, rows in self._by_layout(buffer, at, sizes):
            samples, refused, early = read_samples(buffer, at[rows], sizes[rows], layout, self._state.order)
            bad.append(refused)
            self._overlong(early, base)
            samples, expected = self._known(samples)
            columns, refused = self._events.read(buffer, samples, expected)
            bad.append(refused)
            pieces.append(columns)
        for place in np.concatenate(bad).tolist() if bad else ():
            self.malformed(f"byte {base + place}: a sample whose fields can't be")
        columns = joined(pieces)
        return columns if len(pieces) < 2 else taken(columns, np.argsort(columns["at"], kind="stable"))

    def _by_layout(
        self, buffer: npt.NDArray[np.uint8], at: Offsets, sizes: Offsets
    ) -> list[tuple[SampleLayout, Array | slice]]:
        """Which samples have which layout. Those without RAW are of other kinds of events, and noted."""
        state = self._state
        if not len(at) or not state.layouts:
            return []
        place = state.layouts[0].id
        if len(state.layouts) == 1:
            groups: list[tuple[SampleLayout, Array | slice]] = [(state.layouts[0], slice(None))]
        elif place < 0 or any(layout.id != place for layout in state.layouts):
            groups = [(next((one for one in state.layouts if one.raw), state.layouts[0]), slice(None))]
        else:
            fits = sizes >= place + 8
            ids = words(buffer, at + place if fits.all() else np.where(fits, at + place, at), state.order)
            layouts = np.array([*state.layout_of_attr, 0], np.int16)[
                state.attrs_of(ids)
            ]  # unknown ids are told of later
            if (layouts == layouts[0]).all():
                groups = [(state.layouts[layouts[0]], slice(None))]
            else:
                groups = [(one, np.flatnonzero(layouts == n)) for n, one in enumerate(state.layouts)]
        for layout, rows in groups:
            if not layout.raw:
                self._other(len(at[rows]))
        return [(layout, rows) for layout, rows in groups if layout.raw]

    def _known(self, samples: Samples) -> tuple[Samples, Array | None]:
        """The samples whose id belongs to a tracepoint's attr, and the tracepoints those attrs are of."""
        state = self._state
        if not state.tracepoints:
            return self._without_others(samples, np.full(len(samples.at), -1))
        if samples.id is None or not state.has_ids:
            return samples, None
        attrs = state.attrs_of(samples.id)
        unknown = np.flatnonzero(attrs < 0)
        if len(unknown):
            state.diagnostics.note(
                "unknown-id",
                "samples of an event that the recording doesn't declare: left out",
                severity="error",
                count=len(unknown),
                example=f"event id {int(samples.id[unknown[0]])}",
            )
            samples, attrs = samples.take(attrs >= 0), attrs[attrs >= 0]
        tracepoints = np.array([-1 if a.tracepoint is None else a.tracepoint for a in state.attrs])
        return self._without_others(samples, tracepoints[attrs])

    def _without_others(self, samples: Samples, tracepoints: Array) -> tuple[Samples, Array]:
        """Those that are of a tracepoint: other events may have RAW too (perf record -R, BPF's output)."""
        ours = tracepoints >= 0
        if ours.all():
            return samples, tracepoints
        self._other(int(np.count_nonzero(~ours)))
        return samples.take(ours), tracepoints[ours]

    def _misnamed(self, kinds: npt.NDArray[np.uint32], at: Offsets) -> None:
        """Records that aren't of the type they say: samples, for all we know."""
        self.refused += len(at)
        if len(at):
            self._state.diagnostics.note(
                "misnamed-record",
                "records whose inside can't be of the type they say: left out",
                severity="error",
                count=len(at),
                example=f"byte {int(at[0])}: type {int(kinds[0])}",
            )

    def _overlong(self, early: Offsets, base: int) -> None:
        if len(early):
            self._state.diagnostics.note(
                "overlong-record",
                "samples that end before their record: what stands behind them was not read",
                severity="error",
                count=len(early),
                example=f"byte {base + int(early[0])}",
            )

    def _other(self, count: int) -> None:
        if count:
            self._state.diagnostics.note(
                "other-samples", "samples of events that aren't tracepoints: left out", severity="info", count=count
            )

    def _homeless(self, count: int) -> None:
        if count:
            self._state.diagnostics.note(
                "no-attrs", "samples without a description of their event: left out", severity="error", count=count
            )

    def unknown(self, kind: int, where: str, count: int) -> None:
        """Records of a type that nobody has heard of: events, for all we know."""
        self.refused += count
        self._state.diagnostics.note(
            "unknown-record",
            "records of a type that perfpath doesn't know: left out",
            severity="error",
            count=count,
            example=f"{where}: type {kind}",
        )

    def malformed(self, example: str) -> None:
        """Count a record that isn't what it says."""
        self.refused += 1
        self._state.diagnostics.note(
            "malformed-record", "records that can't be what they say: left out", severity="error", example=example
        )
