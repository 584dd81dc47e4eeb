"""The numbers of perf.data: record types, sample_type and read_format bits, header features.

From include/uapi/linux/perf_event.h, tools/lib/perf/include/perf/event.h and tools/perf/util/header.h.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag

RECORD_HEADER_SIZE = 8  # u32 type, u16 misc, u16 size of the whole record


class Record(IntEnum):
    """Types of records; the kernel writes those below 64, perf itself the others."""

    LOST = 2
    COMM = 3
    THROTTLE = 5
    UNTHROTTLE = 6
    FORK = 7
    SAMPLE = 9
    LOST_SAMPLES = 13
    NAMESPACES = 16
    ATTR = 64
    EVENT_TYPE = 65
    TRACING_DATA = 66
    BUILD_ID = 67
    FINISHED_ROUND = 68
    AUXTRACE = 71
    EVENT_UPDATE = 78
    FEATURE = 80
    COMPRESSED = 81
    COMPRESSED2 = 83


FIRST_OF_PERF = 64
KNOWN = (range(1, 23), range(FIRST_OF_PERF, 87))
"""What kernels (MMAP to CALLCHAIN_DEFERRED) and perf (ATTR to SCHEDSTAT_DOMAIN) write as of 7.2; EVENT_TYPE only before
3.11."""
SIZES = {2: 24, 4: 32, 5: 32, 6: 32, 7: 32, 11: 32, 12: 16, 13: 16, 14: 8, 15: 16, 21: 16, Record.FINISHED_ROUND: 8}
"""Bytes of records that are always of one size, without the trailer that those of the kernel may have."""
LONGEST = {Record.COMM: 8 + 8 + 4096 + 8, 1: 8 + 32 + 4096 + 8, 10: 8 + 64 + 4096 + 8}
"""The most that names of threads and files (PATH_MAX) make of others; simpleperf calls threads by their programs."""
MISC_COMM_EXEC = 1 << 13  # the thread got its name by execve(2)
MISC_LOST_SAMPLES_BPF = 1 << 15  # not lost but filtered


class SampleType(IntFlag):
    """Which fields a sample has (attr.sample_type)."""

    IP = 1 << 0
    TID = 1 << 1
    TIME = 1 << 2
    ADDR = 1 << 3
    READ = 1 << 4
    CALLCHAIN = 1 << 5
    ID = 1 << 6
    CPU = 1 << 7
    PERIOD = 1 << 8
    STREAM_ID = 1 << 9
    RAW = 1 << 10
    IDENTIFIER = 1 << 16


BEHIND_RAW = ~((1 << 11) - 1) & ~(1 << 16)
"""All bits above RAW but IDENTIFIER: fields that stand behind RAW (BRANCH_STACK, CGROUP, ...)."""


class ReadFormat(IntFlag):
    """What a counter's value comes with (attr.read_format)."""

    TOTAL_TIME_ENABLED = 1 << 0
    TOTAL_TIME_RUNNING = 1 << 1
    ID = 1 << 2
    GROUP = 1 << 3
    LOST = 1 << 4


class Feature(IntEnum):
    """Bits of the header's feature sections that are of use here."""

    TRACING_DATA = 1
    HOSTNAME = 3
    OSRELEASE = 4
    VERSION = 5
    ARCH = 6
    CMDLINE = 11
    EVENT_DESC = 12
    CLOCKID = 23
    DIR_FORMAT = 24
    COMPRESSED = 27
    CLOCK_DATA = 29


PERF_TYPE_TRACEPOINT = 2
