"""The public Python API: a recording as DataFrames."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    import pandas as pd

    from perfpath.diagnostics import Diagnostics
    from perfpath.firstbytes import FirstBytes
    from perfpath.journeys.tracker import Options, Result
    from perfpath.netns.inventory import Inventory
    from perfpath.readers.recording import Info
    from perfpath.tables import Table


@dataclass(frozen=True)
class Trace:
    """A recording that was read whole.

    info: what it says of itself. diagnostics: what was lost, not understood or doubtful.
    table, result: the same as events, hops and journeys, as plain numpy columns (see perfpath.tables). Packets are
    followed when hops, journeys or the result are first asked for: what is doubtful of them is in the diagnostics then.
    """

    info: Info
    diagnostics: Diagnostics
    table: Table
    _follow: Callable[[], Result] = field(repr=False, compare=False)

    @cached_property
    def result(self) -> Result:
        """HOPS and JOURNEYS as tables."""
        return self._follow()

    @cached_property
    def events(self) -> pd.DataFrame:
        """One row per tracepoint hit; columns as `perfpath.schema.EVENTS` declares them."""
        return self.table.to_pandas()

    @cached_property
    def hops(self) -> pd.DataFrame:
        """One row per place a packet was seen; columns as `perfpath.schema.HOPS` declares them."""
        return self.result.hops.to_pandas()

    @cached_property
    def journeys(self) -> pd.DataFrame:
        """One row per packet; columns as `perfpath.schema.JOURNEYS` declares them."""
        return self.result.journeys.to_pandas()


def read(path: str | os.PathLike[str], *, inventory: Inventory | None = None, options: Options | None = None) -> Trace:
    """Read a recording whole: perf.data (file or directory), or text of perf script, perf trace, ftrace or trace-cmd.

    path: "-" is standard input. inventory: the topology it was recorded on; one saved beside the recording is used by
    itself. Where something beside the recording can't be read, the diagnostics say so. Raises InputError where the
    recording can't.
    """
    from perfpath.journeys.tracker import Options
    from perfpath.recorded import open_recording, symbols_of, topology_of, verdicts_of
    from perfpath.tables import concatenated

    source = open_recording(str(path))
    table = concatenated(list(source.batches()))
    info, diagnostics, packets = source.info, source.diagnostics, source.packets  # not the source: it has the file
    known = replace(
        options or Options(),
        packets=packets,
        symbols=symbols_of(str(path), diagnostics),
        verdicts=verdicts_of(str(path), diagnostics),
        stacks=getattr(source, "stacks", ()),
        monotonic=info.monotonic,
    )
    where = inventory or topology_of(str(path), diagnostics)
    return Trace(info, diagnostics, table, lambda: _followed(table, packets, diagnostics, where, known))


def _followed(
    table: Table, packets: FirstBytes, diagnostics: Diagnostics, inventory: Inventory | None, options: Options
) -> Result:
    from perfpath.journeys.tracker import Result, follow
    from perfpath.packets.describe import Describer
    from perfpath.packets.wrapping import Wrappings

    found = follow(table, inventory, diagnostics, options)
    hops = Wrappings(packets).told(found.hops)
    return Result(hops, Describer(packets).described(found.journeys, hops))
