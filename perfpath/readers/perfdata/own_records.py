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


def auxtrace(record: memoryview, order: str) -> bool:
    """Whether a record can be AUXTRACE's: three u64, then index, thread, CPU, and zeros."""
    if len(record) != 48:
        return False
    cursor = Cursor(record, order, "record")
    cursor.take(40)
    return _is_cpu(cursor.u32()) and cursor.u32() == 0


def _is_cpu(number: int) -> bool:
    return number < 1 << 16 or number == 0xFFFF_FFFF


def _time_conv(cursor: Cursor) -> bool:
    """A shift and a multiplier, of 16 and 32 bits; it has grown."""
    return len(cursor.data) in (32, 56) and cursor.u64() < 1 << 16 and cursor.u64() < 1 << 32


def _stat(cursor: Cursor) -> bool:
    """An event's id, CPU and thread, and three numbers."""
    return len(cursor.data) == 48 and bool(cursor.take(8)) and _is_cpu(cursor.u32())


def _stat_round(cursor: Cursor) -> bool:
    """Whether it is the last, and the time."""
    return len(cursor.data) == 24 and cursor.u64() < 2


def _counted(cursor: Cursor, *, entries: tuple[int, ...]) -> bool:
    """A u64 behind the header says how many entries, of one of these sizes, follow it."""
    count = cursor.u64()
    return any(cursor.left == count * entry for entry in entries)


def _text(cursor: Cursor, *, begins: int) -> bool:
    """A name, its NUL, and nothing but NULs behind it."""
    cursor.take(begins - RECORD_HEADER_SIZE)
    name, nul, rest = bytes(cursor.data[begins:]).partition(b"\0")
    return bool(name and nul) and not any(rest) and len(rest) <= _NAME_PADDING


def _event_type(cursor: Cursor) -> bool:
    """A number and a name of letters; perf 3 wrote no NUL where the name ends with a word."""
    cursor.u64()
    name = bytes(cursor.data[16:]).rstrip(b"\0")
    return name.isascii() and name.decode("ascii").isprintable() and 0 < len(name) <= _NAME_PADDING


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
    """A time and a CPU before the version, and zeros behind it (or a domain's number)."""
    cursor.take(12)
    return cursor.u16() in _VERSIONS and cursor.u16() < _VERSIONS.stop


def _bpf_metadata(cursor: Cursor) -> bool:
    """A program's name, padded, and a count of keys and values."""
    first, entry = _BPF_METADATA
    name = bytes(cursor.take(min(512, cursor.left))).rstrip(b"\0")
    return len(cursor.data) == first + entry * cursor.u64() and 0 not in name


_RULES: dict[int, Rule] = {
    Record.ATTR: _attr,
    Record.EVENT_TYPE: _event_type,
    Record.BUILD_ID: partial(_text, begins=36),
    69: partial(_counted, entries=(32, 48)),  # ID_INDEX; it tells of guests since perf 6.0
    70: _auxtrace_info,
    Record.AUXTRACE: lambda cursor: auxtrace(cursor.data, cursor.order),
    72: lambda cursor: cursor.u32() == 1,  # AUXTRACE_ERROR; perf inject writes one kind
    73: partial(_counted, entries=(24,)),  # THREAD_MAP
    74: _cpu_map,
    75: partial(_counted, entries=(16,)),  # STAT_CONFIG
    76: _stat,
    77: _stat_round,
    Record.EVENT_UPDATE: lambda cursor: cursor.u64() < 4,  # a unit, scale, name or CPUs
    79: _time_conv,
    Record.FEATURE: lambda cursor: cursor.u64() < _MOST_FEATURES,
    82: lambda cursor: not cursor.left,  # FINISHED_INIT
    84: _bpf_metadata,
    85: _schedstat,  # SCHEDSTAT_CPU
    86: _schedstat,  # SCHEDSTAT_DOMAIN
}
