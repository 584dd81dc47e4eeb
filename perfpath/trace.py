"""The public Python API: a recording as DataFrames."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os

    import pandas as pd

    from perfpath.diagnostics import Diagnostics
    from perfpath.journeys.tracker import Options, Result
    from perfpath.netns.inventory import Inventory
    from perfpath.readers.recording import Info
    from perfpath.tables import Table


@dataclass(frozen=True)
class Trace:
    """A recording that was read whole.

    info: what it says of itself. diagnostics: what was lost, not understood or doubtful.
    table, result: the same as events, hops and journeys, as plain numpy columns (see perfpath.tables).
    """

    info: Info
    diagnostics: Diagnostics
    table: Table
    result: Result

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
    itself. Raises InputError where it can't be read, InventoryError where a saved inventory can't.
    """
    from perfpath.journeys.tracker import Options, Result, follow
    from perfpath.packets.describe import Describer
    from perfpath.recorded import open_recording
    from perfpath.tables import concatenated

    source = open_recording(str(path))
    batches = list(source.batches())
    table = concatenated(batches)
    found = follow(table, inventory, source.diagnostics, replace(options or Options(), packets=source.packets))
    journeys = Describer(source.packets).described(found.journeys, found.hops)
    return Trace(source.info, source.diagnostics, table, Result(found.hops, journeys))
