"""How times of the recording are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfpath.render.quantities import seconds
from perfpath.times import iso8601

if TYPE_CHECKING:
    from perfpath.readers.recording import Info


class Clock:
    """Times since the recording's first event, or wall-clock times where wanted and known."""

    def __init__(self, info: Info | None = None, *, wall: bool = False) -> None:
        self._origin = info.first_ns if info else None
        self._info = info if wall else None  # a stream says later when its clock started

    def text(self, time_ns: int) -> str:
        """A time: `+1.002010 s` or ISO 8601. Where nobody knows the first event, it is the first time asked for."""
        if self._info is not None and self._info.wall_offset_ns is not None:
            return iso8601(time_ns, self._info.wall_offset_ns)
        if self._origin is None:
            self._origin = time_ns
        return seconds(time_ns - self._origin)
