"""Files as perfs from 4.0 on write them, byte by byte from the documents, for versions that nobody here has.

Sources: tools/perf/Documentation/perf.data-file-format.txt, include/uapi/linux/perf_event.h (PERF_ATTR_SIZE_VER0 to 9,
struct perf_event_attr, PERF_RECORD_SAMPLE), tools/perf/util/header.h (HEADER_*), tools/perf/util/trace-event-info.c.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass

import pytest

from perfpath.readers.perfdata import open_perfdata, open_pipe

ATTR_SIZES = (64, 72, 80, 96, 104, 112, 120, 128, 136, 144)
CLOCKID_SINCE = 96  # bytes 92 to 95
IP, TID, TIME, CPU, PERIOD, RAW, IDENTIFIER, CGROUP = (1 << bit for bit in (0, 1, 2, 7, 8, 10, 16, 21))
SAMPLE_ID_ALL, USE_CLOCKID = 18, 25
ID, TRACEPOINT, WHEN, ADDRESS = 77, 1187, 4_843_359_673_000, 0xFFFF_96D4_8198_8700
FORMAT = b"""name: net_dev_queue
ID: 1187
format:
\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;
\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;
\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;
\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;

\tfield:void * skbaddr;\toffset:8;\tsize:8;\tsigned:0;
\tfield:unsigned int len;\toffset:16;\tsize:4;\tsigned:0;
\tfield:__data_loc char[] name;\toffset:20;\tsize:4;\tsigned:1;

print fmt: "dev=%s skbaddr=%p len=%u", __get_str(name), REC->skbaddr, REC->len
"""


@dataclass(frozen=True)
class Written:
    """A file by a perf of one time, on a machine of one byte order. behind: bytes that stand behind RAW."""

    order: str
    attr_size: int
    tracing_version: bytes = b"0.6"
    sample_type: int = IP | TID | TIME | CPU | PERIOD | RAW | IDENTIFIER
    behind: bytes = b""

    def pack(self, code: str, *values: int) -> bytes:
        return struct.pack(self.order + code, *values)

    def attr(self) -> bytes:
        bits = 1 << SAMPLE_ID_ALL | 1 << USE_CLOCKID
        if self.order == ">":  # the compiler's bit fields begin at the other end
            bits = sum(1 << 63 - bit for bit in (SAMPLE_ID_ALL, USE_CLOCKID))
        head = self.pack("IIQQQQQ", 2, self.attr_size, TRACEPOINT, 1, self.sample_type, 0, bits)
        whole = head.ljust(92, b"\0") + self.pack("i", 1)  # CLOCK_MONOTONIC
        return whole[: self.attr_size].ljust(self.attr_size, b"\xee")  # what nobody here has heard of

    def sample(self) -> bytes:
        raw = self.pack("HBBiQII", TRACEPOINT, 0x10, 0, 2563, ADDRESS, 98, 24 | 8 << 16) + b"docker0\0"
        raw += b"\0" * (-(len(raw) + 4) % 8)
        body = self.pack("QQiiQIIQ", ID, 0xFFFFFFFF8100_0000, 2563, 2564, WHEN, 3, 0, 1)
        body += self.pack("I", len(raw)) + raw + self.behind
        return self.pack("IHH", 9, 1, 8 + len(body)) + body

    def tracing(self) -> bytes:
        out = b"\x17\x08\x44tracing" + self.tracing_version + b"\0" + bytes([self.order == ">", 8])
        out += self.pack("I", 4096) + b"header_page\0" + self.pack("Q", 0) + b"header_event\0" + self.pack("Q", 0)
        out += (
            self.pack("I", 0) + self.pack("I", 1) + b"net\0" + self.pack("I", 1) + self.pack("Q", len(FORMAT)) + FORMAT
        )
        out += self.pack("II", 0, 0)  # kallsyms, printk
        return out + (self.pack("Q", 0) if self.tracing_version >= b"0.6" else b"")  # saved_cmdlines

    def file(self) -> bytes:
        """Header, ids, attrs, event types (which perfs before 3.11 wrote), data, features."""
        magic = self.pack("Q", int.from_bytes(b"PERFILE2", "little"))
        attrs_at = 104 + 8
        types_at = attrs_at + self.attr_size + 16
        data_at = types_at + 72
        data = self.sample()
        sections = {1: self.tracing(), 3: self.text(b"old"), 4: self.text(b"4.9.0"), 5: self.text(b"4.9.320")}
        at = data_at + len(data) + 16 * len(sections)
        table = b""
        for body in sections.values():
            table += self.pack("QQ", at, len(body))
            at += len(body)
        features = self.pack("QQQQ", sum(1 << bit for bit in sections), 0, 0, 0)
        head = self.pack("QQ", 104, self.attr_size + 16) + self.pack("QQ", attrs_at, self.attr_size + 16)
        head += self.pack("QQQQ", data_at, len(data), types_at, 72)
        attrs = self.attr() + self.pack("QQ", 104, 8)
        types = self.pack("Q", TRACEPOINT) + b"net:net_dev_queue".ljust(64, b"\0")
        return magic + head + features + self.pack("Q", ID) + attrs + types + data + table + b"".join(sections.values())

    def pipe(self) -> bytes:
        """As before 4.14: no feature records."""
        magic = self.pack("Q", int.from_bytes(b"PERFILE2", "little")) + self.pack("Q", 16)
        attr = self.pack("IHH", 64, 0, 8 + self.attr_size + 8) + self.attr() + self.pack("Q", ID)
        tracing = self.tracing()
        padded = tracing + b"\0" * (-len(tracing) % 8)
        return magic + attr + self.pack("IHHI", 66, 0, 12, len(padded)) + padded + self.sample()

    def text(self, content: bytes) -> bytes:
        return self.pack("I", 64) + content.ljust(64, b"\0")


def events(data: bytes) -> list[tuple[object, ...]]:
    opened = open_pipe(io.BytesIO(data))
    (table,) = opened.batches()
    assert not opened.diagnostics.notes
    columns = [table[name].tolist() for name in ("time_ns", "cpu", "pid", "tid", "skbaddr", "len", "flags")]
    return list(zip(*columns, table.texts("dev"), table.texts("event"), strict=True))


EXPECTED = [(WHEN, 3, 2563, 2564, ADDRESS, 98, 0x10, "docker0", "net_dev_queue")]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("size", ATTR_SIZES)
def test_attrs_of_every_version(order: str, size: int) -> None:
    written = Written(order, size)
    assert events(written.file()) == events(written.pipe()) == EXPECTED
    source = open_perfdata(io.BytesIO(written.file()))
    list(source.batches())
    assert source.info.clockid == (1 if size >= CLOCKID_SINCE else None)
    assert (source.info.hostname, source.info.kernel, source.info.perf_version) == ("old", "4.9.0", "4.9.320")
    assert source.info.wall_offset_ns is None  # CLOCK_DATA came with perf 5


@pytest.mark.parametrize("order", ["<", ">"])
def test_tracing_data_without_saved_command_lines(order: str) -> None:
    """Version 0.5 ends before them."""
    written = Written(order, 112, tracing_version=b"0.5")
    assert events(written.file()) == events(written.pipe()) == EXPECTED


@pytest.mark.parametrize("order", ["<", ">"])
def test_fields_behind_raw_are_passed_over(order: str) -> None:
    cgroup = Written(order, 120).sample_type | CGROUP
    written = Written(order, 120, sample_type=cgroup, behind=struct.pack(order + "Q", 5))
    assert events(written.file()) == EXPECTED
