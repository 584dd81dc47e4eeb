"""The feature sections: host, kernel, command, clocks (tools/perf/Documentation/perf.data-file-format.txt)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfpath.errors import InputError
from perfpath.readers.perfdata.attr import parse_attr
from perfpath.readers.perfdata.contents import DUMMY
from perfpath.readers.perfdata.cursor import Cursor
from perfpath.readers.perfdata.records import Feature

if TYPE_CHECKING:
    from perfpath.diagnostics import Diagnostics
    from perfpath.readers.recording import Info

MAX_EVENTS = 1 << 16


def apply_feature(
    info: Info, diagnostics: Diagnostics, bit: int, data: bytes | memoryview, *, order: str, base: int
) -> None:
    """Write what a feature section says into info; a damaged one is noted and otherwise ignored."""
    if bit not in _KNOWN:
        return
    try:
        _KNOWN[Feature(bit)](info, Cursor(data, order, f"feature {Feature(bit).name}", base))
    except InputError as error:
        diagnostics.note("damaged-feature", "a part of the recording's header is damaged", example=str(error))


def _hostname(info: Info, cursor: Cursor) -> None:
    info.hostname = cursor.sized_string()


def _osrelease(info: Info, cursor: Cursor) -> None:
    info.kernel = cursor.sized_string()


def _version(info: Info, cursor: Cursor) -> None:
    info.perf_version = cursor.sized_string()


def _arch(info: Info, cursor: Cursor) -> None:
    info.arch = cursor.sized_string()


def _cmdline(info: Info, cursor: Cursor) -> None:
    count = cursor.u32()
    if count * 4 > cursor.left:  # each argument takes at least its size
        raise cursor.fail(f"{count} arguments")
    info.command = tuple(cursor.sized_string() for _ in range(count))


def _event_desc(info: Info, cursor: Cursor) -> None:
    """u32 count, u32 attr size, then {attr, u32 ids, name, u64 id[ids]} each."""
    count, size = cursor.u32(), cursor.u32()
    if count > MAX_EVENTS or count * max(size, 1) > cursor.left:
        raise cursor.fail(f"{count} events")
    found = []
    for _ in range(count):
        at = cursor.base + cursor.position
        attr = parse_attr(cursor.take(size), cursor.order, cursor.where, at)
        number, name = cursor.u32(), cursor.sized_string()
        cursor.take(8 * number)
        if attr.tracepoint is None and name.partition(":")[0] != DUMMY:
            found.append(name)
    info.others = tuple(dict.fromkeys(found))


def _clock_data(info: Info, cursor: Cursor) -> None:
    """u32 version, u32 clockid, u64 wall time, u64 the same moment on that clock."""
    if cursor.u32() != 1:
        return
    info.clockid = cursor.u32()
    wall_ns = cursor.u64()
    info.wall_offset_ns = wall_ns - cursor.u64()


_KNOWN = {
    Feature.HOSTNAME: _hostname,
    Feature.OSRELEASE: _osrelease,
    Feature.VERSION: _version,
    Feature.ARCH: _arch,
    Feature.CMDLINE: _cmdline,
    Feature.EVENT_DESC: _event_desc,
    Feature.CLOCK_DATA: _clock_data,
}
