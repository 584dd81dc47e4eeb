"""Whether records that perf itself writes can be what they say.

Most of them are of no use here, but a record whose type was damaged is one that is missing: another's insides don't
fit. Layouts: tools/lib/perf/include/perf/event.h and tools/perf/Documentation/perf.data-file-format.txt.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from perfpath.readers.perfdata.attr import MIN_SIZE
from perfpath.readers.perfdata.cursor import Cursor
from perfpath.readers.perfdata.records import RECORD_HEADER_SIZE, Record

if TYPE_CHECKING:
    from collections.abc import Callable

    Rule = Callable[[Cursor], bool]

_MOST_FEATURES = 256
_BPF_METADATA = 8 + 512 + 8, 320  # a name of KSYM_NAME_LEN and a count; each entry's key and value
_VERSIONS = range(15, 32)  # of /proc/schedstat that there may be; perf began with the first
_CPUS, _MASK, _RANGE = 0, 1, 2  # PERF_CPU_MAP__*
_NAME_PADDING = 64  # NAME_ALIGN of header.h


def check(kind: int, record: memoryview, order: str, where: str, at: int) -> None:
    """Raises InputError where a record can't be of its type. where, at: for the message."""
    cursor = Cursor(record, order, where, at)
    cursor.take(RECORD_HEADER_SIZE)
    if kind in _RULES and not _RULES[kind](cursor):
        cursor.position = 0
        raise cursor.fail(f"a record of that type, found {len(record)} bytes of something else")


def _size(cursor: Cursor, *, sizes: tuple[int, ...]) -> bool:
    """It is always of one size, or has grown from one to another."""
    return len(cursor.data) in sizes


def _counted(cursor: Cursor, *, entries: tuple[int, ...]) -> bool:
    """A u64 behind the header says how many entries, of one of these sizes, follow it."""
    count = cursor.u64()
    return any(cursor.left == count * entry for entry in entries)


def _text(cursor: Cursor, *, begins: int) -> bool:
    """A name, and nothing but NULs behind it; perf 3 wrote none where the name ends with a word."""
    cursor.take(begins - RECORD_HEADER_SIZE)
    name, _, rest = bytes(cursor.data[begins:]).partition(b"\0")
    return bool(name) and not any(rest) and len(rest) <= _NAME_PADDING


def _attr(cursor: Cursor) -> bool:
    """An attr says how long it is, and behind it are its events' ids."""
    cursor.u32()
    size = cursor.u32()
    return MIN_SIZE <= size <= len(cursor.data) - RECORD_HEADER_SIZE and size % 8 == 0 == len(cursor.data) % 8


def _auxtrace_info(cursor: Cursor) -> bool:
    """The kind of trace, and zeros behind it."""
    return 0 < cursor.u32() < 64 and cursor.u32() == 0


def _cpu_map(cursor: Cursor) -> bool:
    """CPUs one by one, as a bitmap of longs (not always at the same place), or as a range; padded to a word at most."""
    kind, count = cursor.u16(), cursor.u16()
    if kind == _CPUS:
        return 0 <= cursor.left - 2 * count < 8
    if kind == _MASK:
        long = cursor.u16()
        return long in (4, 8) and 0 <= cursor.left - long * count < 16
    return kind == _RANGE and len(cursor.data) == 16


def _schedstat(cursor: Cursor) -> bool:
    """A time and a CPU before the version."""
    cursor.take(12)
    return cursor.u16() in _VERSIONS


def _bpf_metadata(cursor: Cursor) -> bool:
    first, entry = _BPF_METADATA
    return len(cursor.data) >= first and (len(cursor.data) - first) % entry == 0


_RULES: dict[int, Rule] = {
    Record.ATTR: _attr,
    Record.EVENT_TYPE: partial(_text, begins=16),
    Record.BUILD_ID: partial(_text, begins=36),
    69: partial(_counted, entries=(32, 48)),  # ID_INDEX; it tells of guests since perf 6.0
    70: _auxtrace_info,
    Record.AUXTRACE: partial(_size, sizes=(48,)),
    72: lambda cursor: cursor.u32() == 1,  # AUXTRACE_ERROR; perf inject writes one kind
    73: partial(_counted, entries=(24,)),  # THREAD_MAP
    74: _cpu_map,
    75: partial(_counted, entries=(16,)),  # STAT_CONFIG
    76: partial(_size, sizes=(48,)),  # STAT
    77: partial(_size, sizes=(24,)),  # STAT_ROUND
    Record.EVENT_UPDATE: lambda cursor: cursor.u64() < 16,  # one of four kinds, as of 7.2
    79: partial(_size, sizes=(32, 56)),  # TIME_CONV
    Record.FEATURE: lambda cursor: cursor.u64() < _MOST_FEATURES,
    82: partial(_size, sizes=(8,)),  # FINISHED_INIT
    84: _bpf_metadata,
    85: _schedstat,  # SCHEDSTAT_CPU
    86: _schedstat,  # SCHEDSTAT_DOMAIN
}
