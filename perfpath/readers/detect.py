"""Recognises what a file, a directory or a stream is, by its first bytes."""

from __future__ import annotations

from enum import Enum

from perfpath.errors import InputError

HEAD = 4096
"""How many bytes are enough to tell."""


class Kind(Enum):
    """What some bytes are: the first three can be read; the value of the others says what they are."""

    PERFDATA = "a perf.data file"
    PERFDATA_PIPE = "a perf.data stream (perf record -o -)"
    TEXT = "text"
    EMPTY = "nothing: it is empty"
    PERFDATA_OLD = "a perf.data file of a perf older than 3.2"
    CUT = "the first bytes of a perf.data file only"
    TRACE_DAT = "a trace.dat file of trace-cmd"
    GZIP = "compressed by gzip"
    ZSTD = "compressed by zstd"
    XZ = "compressed by xz"
    BZIP2 = "compressed by bzip2"
    PCAP = "a packet capture (pcap)"
    PCAPNG = "a packet capture (pcapng)"
    UTF16 = "text in UTF-16"
    BINARY = "binary data of an unknown kind"


READABLE = (Kind.PERFDATA, Kind.PERFDATA_PIPE, Kind.TEXT)

_MAGIC: tuple[tuple[bytes, Kind], ...] = (
    (b"PERFFILE", Kind.PERFDATA_OLD),
    (b"ELIFFREP", Kind.PERFDATA_OLD),
    (b"\x17\x08\x44tracing", Kind.TRACE_DAT),
    (b"\x1f\x8b", Kind.GZIP),
    (b"\x28\xb5\x2f\xfd", Kind.ZSTD),
    (b"\xfd7zXZ\x00", Kind.XZ),
    (b"BZh", Kind.BZIP2),
    (b"\x0a\x0d\x0d\x0a", Kind.PCAPNG),
    (b"\xa1\xb2\xc3\xd4", Kind.PCAP),
    (b"\xd4\xc3\xb2\xa1", Kind.PCAP),
    (b"\xa1\xb2\x3c\x4d", Kind.PCAP),
    (b"\x4d\x3c\xb2\xa1", Kind.PCAP),
    (b"\xff\xfe", Kind.UTF16),
    (b"\xfe\xff", Kind.UTF16),
)

_PERF_MAGIC = {b"PERFILE2": "little", b"2ELIFREP": "big"}
_PIPE_HEADER = 16
"""The size field of a stream's header (struct perf_pipe_file_header, tools/perf/util/header.h)."""

_PLAIN_CONTROLS = frozenset(b"\t\n\r\x1b\x08\x07\x0c")

_NO_RECORDING = (
    "It holds packets, not how the kernel passed them on: record with perf record -e 'net:*' or perfpath record."
)
_ADVICE = {
    Kind.EMPTY: "Was the recording stopped before it began, or the disk full?",
    Kind.PERFDATA_OLD: "Let the perf that made it print it, and read that: perf script -i {path} | perfpath report -",
    Kind.CUT: "Copy it again, or record again.",
    Kind.TRACE_DAT: "Let trace-cmd print it, and read that text: trace-cmd report -t {path} | perfpath report -",
    Kind.GZIP: "Unpack it first: gzip -dc {path} | perfpath report -",
    Kind.ZSTD: "Unpack it first: zstd -dc {path} | perfpath report -",
    Kind.XZ: "Unpack it first: xz -dc {path} | perfpath report -",
    Kind.BZIP2: "Unpack it first: bzip2 -dc {path} | perfpath report -",
    Kind.PCAP: _NO_RECORDING,
    Kind.PCAPNG: _NO_RECORDING,
    Kind.UTF16: "Convert it first: iconv -f UTF-16 -t UTF-8 {path} | perfpath report -",
    Kind.BINARY: "perfpath reads perf.data, and the text of perf script, perf trace, ftrace and trace-cmd report.",
}


def kind_of(head: bytes) -> Kind:
    """What begins with these bytes (the first HEAD of it, or all there are)."""
    if not head:
        return Kind.EMPTY
    order = _PERF_MAGIC.get(head[:8])
    if order is not None:
        if len(head) < _PIPE_HEADER:
            return Kind.CUT
        size = int.from_bytes(head[8:16], "little" if order == "little" else "big")
        return Kind.PERFDATA_PIPE if size == _PIPE_HEADER else Kind.PERFDATA
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    return Kind.TEXT if _is_text(head) else Kind.BINARY


def refusal(kind: Kind, path: str) -> InputError:
    """The error for what can't be read: what it is, and what to do."""
    where = "standard input" if path == "-" else path
    return InputError(f"{where}: this is {kind.value}. {_ADVICE[kind].format(path='FILE' if path == '-' else path)}")


def _is_text(head: bytes) -> bool:
    """Process and device names may bring a few odd bytes; NUL never stands in text."""
    if 0 in head:
        return False
    odd = sum(byte < 0x20 and byte not in _PLAIN_CONTROLS for byte in head)
    return odd * 10 <= len(head)
