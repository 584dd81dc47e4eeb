"""A record whose type was damaged is missed: its inside can't be what the new type says."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING

import pytest
from perfdata_writer import CALLCHAIN, CPU, ID, IDENTIFIER, IP, PERIOD, RAW, TID, TIME, Comm, Hit, Item, Machine, Netns

from perfpath.cli import main
from perfpath.errors import EXIT_INCOMPLETE
from perfpath.readers.perfdata import open_perfdata, open_pipe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from perfpath.diagnostics import Diagnostics

OF_KERNEL, OF_PERF = [*range(1, 9), *range(10, 23)], range(64, 87)
COMMON = TID | TIME | CPU | RAW
LAYOUTS = {
    "-a": COMMON | IP | PERIOD | IDENTIFIER,
    "a command": COMMON | IP | PERIOD | ID,
    "one event": COMMON | IP | PERIOD,
    "-g": COMMON | IP | PERIOD | IDENTIFIER | CALLCHAIN,
    "no address": COMMON | IDENTIFIER,
}
UNSEEN_WITHOUT_TRAILER = {1, 3, 8, 10, 17, 18, 19, 20}
"""MMAP, COMM, READ, MMAP2, KSYMBOL, BPF_EVENT, CGROUP, TEXT_POKE: names and numbers that may be anything."""
NAMES = [b"eth0", b"docker0", b"veth1234567", b"a"]
HITS: list[Item] = [
    Hit(10**12 + n, n % 3, 2000 + n, 2000 + n, "netif_rx", 0xFFFF_8881_0000_0000 + n, 60 + n, name, chain=(2**63,) * n)
    for n, name in enumerate(NAMES)
]


def machine(order: str, sample_type: int, **more: bool) -> Machine:
    host = {3: struct.pack(order + "I", 64) + b"host".ljust(64, b"\0")}
    return Machine(order=order, sample_type=sample_type, features=host, **more)  # type: ignore[arg-type]


def samples(data: bytes, order: str) -> Iterator[int]:
    """Where samples stand in a file or a stream."""
    at, size = struct.unpack_from(order + "QQ", data, 40)
    end = at + size
    if struct.unpack_from(order + "Q", data, 8) == (16,):
        at, end = 16, len(data)
    while at < end:
        kind, _, size = struct.unpack_from(order + "IHH", data, at)
        if kind == 9:
            yield at
        at += size + (struct.unpack_from(order + "I", data, at + 8)[0] if kind == 66 else 0)


def read(data: bytes, order: str) -> tuple[int, Diagnostics]:
    pipe = struct.unpack_from(order + "Q", data, 8) == (16,)
    source = (open_pipe if pipe else open_perfdata)(io.BytesIO(data))
    return sum(map(len, source.batches())), source.diagnostics


def unnoticed(data: bytes, order: str) -> set[int]:
    """The types as which a sample can hide."""
    found = set()
    whole, _ = read(data, order)
    for at in samples(data, order):
        for kind in (*OF_KERNEL, *OF_PERF):
            flipped = bytearray(data)
            struct.pack_into(order + "I", flipped, at, kind)
            count, diagnostics = read(bytes(flipped), order)
            if count < whole and diagnostics.sound:
                found.add(kind)
    return found


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_sample_that_says_it_is_something_else_is_told_of(layout: str, order: str) -> None:
    writer = machine(order, LAYOUTS[layout])
    assert read(writer.file(HITS), order)[0] == len(HITS)
    assert not unnoticed(writer.file(HITS), order)
    assert not unnoticed(writer.pipe(HITS[:1]), order)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_without_trailers_it_can_hide_as_a_few(layout: str) -> None:
    """As kernels before 2.6.39 write: nothing but the record's own part can tell."""
    writer = machine("<", LAYOUTS[layout], sample_id_all=False)
    assert unnoticed(writer.file(HITS), "<") <= UNSEEN_WITHOUT_TRAILER


def test_strict_says_so(tmp_path: Path) -> None:
    data = bytearray(machine("<", LAYOUTS["-a"]).file(HITS))
    (tmp_path / "flipped").write_bytes(data)
    assert main(["report", "--strict", str(tmp_path / "flipped")]) == 0
    struct.pack_into("<I", data, next(samples(bytes(data), "<")), 10)
    (tmp_path / "flipped").write_bytes(data)
    assert main(["report", "--strict", str(tmp_path / "flipped")]) == EXIT_INCOMPLETE


def test_it_does_not_become_an_event_of_another_layout() -> None:
    """A sample taken for an attr, or for formats, would change how all others are read."""
    writer = machine("<", LAYOUTS["no address"])
    data = bytearray(writer.pipe(HITS))
    at = next(samples(bytes(data), "<"))
    for kind in (64, 66):
        struct.pack_into("<I", data, at, kind)
        count, diagnostics = read(bytes(data), "<")
        assert count == len(HITS) - 1
        assert {code: note.count for code, note in diagnostics.notes.items()} == {"malformed-record": 1}


def made_up(writer: Machine, kind: int, body: bytes, misc: int = 0) -> bytes:
    """A record that perf made of /proc: its trailer is zeros."""
    trailer = writer.trailer(0, 0, 0)
    return writer.record(kind, body + bytes(len(trailer)), misc)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_true_records_are_taken_for_what_they_are(layout: str, order: str) -> None:
    """What perfs from 3.2 to 7.2 and simpleperf were seen to write."""
    writer = machine(order, LAYOUTS[layout])
    pack = writer.pack
    kernel = pack("iiQQQ", -1, 0, 0xFFFF_FFFF_8100_0000, 1 << 20, 0)
    exact = pack("iiQQQ", 7, 7, 1 << 22, 1 << 12, 0) + pack("IIQQ", 8, 1, 5, 0)
    records = [
        made_up(writer, 1, kernel + b"[kernel.kallsyms]_text\0\0"),
        made_up(writer, 1, kernel + b"/lib/modules/9p.ko\0jh.ko"),  # a longer name stood there before
        made_up(writer, 10, exact + pack("II", 5, 2) + b"/bin/true\0\0\0\0\0\0\0"),
        writer.record(
            10, exact + b"[stack]\0" + writer.trailer(10**12, 7)
        ),  # Linux 3.12 to 3.15: neither prot nor flags
        made_up(writer, 3, pack("ii", 7, 7) + b"/vendor/bin/hw/a.service-of-a-long-name\0/link\0\0\0\0\0\0\0\0\0\0\0"),
        made_up(writer, 4, pack("iiiiQ", 7, 1, 7, 1, 10**12)),
        made_up(writer, 17, pack("QIHH", 1 << 60, 64, 1, 0) + b"bpf_prog_x\0\0\0\0\0\0"),
        made_up(writer, 18, pack("HHI", 1, 0, 9) + b"\xaa" * 8),
        made_up(writer, 19, pack("Q", 1) + b"/\0\0\0\0\0\0\0"),
        writer.record(14, writer.trailer(10**12, 7)),
        writer.record(15, pack("ii", 0, 0) + writer.trailer(10**12, 7)),
        writer.record(12, pack("ii", 7, 7) + writer.trailer(10**12, 7)),
        writer.record(13, pack("Q", 0) + writer.trailer(0)),
        writer.record(22, pack("QQQQ", 5, 2, 1 << 20, 1 << 21) + writer.trailer(10**12, 7)),
        writer.item(Netns(10**12, 7, 4026531840)),
        writer.item(Comm(10**12, 7, b"exactly8")),
        writer.item(Comm(10**12, 7, b"")),
    ]
    data = writer.of_sections(
        b"".join(map(writer.item, HITS)) + b"".join(records), {1: writer.tracing_data(), **writer.features}
    )
    count, diagnostics = read(data, order)
    assert count == len(HITS)
    assert not diagnostics.notes
    assert diagnostics.sound


@pytest.mark.parametrize("order", ["<", ">"])
def test_what_perf_itself_wrote_is_taken_for_what_it_is(order: str) -> None:
    writer = machine(order, LAYOUTS["-a"])
    pack = writer.pack
    records = [
        writer.record(65, pack("Q", 2302) + b"net:netif_rx\0\0\0\0"),
        writer.record(65, pack("Q", 2) + b"cache-references"),  # perf 3.8 wrote no NUL there
        writer.record(67, pack("i", -1) + b"\x11" * 24 + b"[kernel.kallsyms]".ljust(64, b"\0")),
        writer.record(69, pack("Q", 1) + pack("QQqq", 100, 0, 0, -1)),
        writer.record(69, pack("Q", 1) + pack("QQqq", 100, 0, 0, -1) + pack("QQ", 0, 0)),  # perf 6.0: guests
        writer.record(70, pack("II", 1, 0) + bytes(72)),
        writer.record(71, pack("QQQIIII", 24, 0, 7, 0, 0, 0, 0)) + b"\xfe" * 24,  # outside of the record
        writer.record(73, pack("Q", 2) + (pack("q", 7) + b"comm".ljust(16, b"\0")) * 2),
        writer.record(74, pack("HHHHH", 0, 3, 0, 1, 2)),
        writer.record(74, pack("HHH", 1, 1, 8) + bytes(2) + pack("Q", 3)),
        writer.record(74, pack("HHH", 1, 1, 8) + bytes(4) + pack("Q", 3)),
        writer.record(74, pack("HBBHH", 2, 0, 0, 0, 127)),
        writer.record(78, pack("QQ", 1, 100) + b"net:netif_rx\0\0\0\0"),
        writer.record(79, pack("QQQ", 1, 2, 3)),
        writer.record(79, pack("QQQQQ", 1, 2, 3, 4, 5) + bytes(8)),
        writer.record(80, pack("Q", 30) + b"what nobody asks for"),
        writer.record(82, b""),
        writer.record(85, pack("QIHH", 5, 0, 17, 0) + bytes(40)),
    ]
    stream = writer.pipe_head() + b"".join(records) + b"".join(map(writer.item, HITS))
    count, diagnostics = read(stream, order)
    assert count == len(HITS)
    assert not diagnostics.notes


def test_a_record_that_has_nothing_outside_hides_nothing() -> None:
    """What says it is AUXTRACE, and isn't, has no size of what would follow it."""
    writer = machine("<", LAYOUTS["no address"])
    data = bytearray(writer.pipe(HITS))
    at = next(samples(bytes(data), "<"))
    struct.pack_into("<I", data, at, 71)
    count, diagnostics = read(bytes(data), "<")
    assert (count, diagnostics.notes["malformed-record"].count) == (len(HITS) - 1, 1)


def times(data: bytes) -> tuple[list[int], Diagnostics]:
    source = open_pipe(io.BytesIO(data))
    found = [time for table in source.batches() for time in table["time_ns"].tolist()]
    return found, source.diagnostics


def received(count: int) -> list[Item]:
    return [Hit(10**12 + n, 0, 7, 7, "netif_rx", 1 << 40 | n << 8, 60, b"eth0") for n in range(count)]


def zstd() -> Callable[[bytes], bytes]:
    """One zstd stream, flushed with each piece."""
    zstandard = pytest.importorskip("zstandard")
    stream = zstandard.ZstdCompressor().compressobj()

    def compress(data: bytes) -> bytes:
        whole: bytes = stream.compress(data) + stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
        return whole

    return compress


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", [81, 83])
def test_what_is_compressed_behind_a_missing_record_is_not_read(kind: int, order: str) -> None:
    """Zstd would go on, and copy other bytes than it should: events that never were."""
    writer, items = machine(order, LAYOUTS["-a"]), received(12)
    records = writer.compressed(items, kind, zstd())
    head = writer.pipe_head()
    truth = [item.time for item in items if isinstance(item, Hit)]
    found, diagnostics = times(head + b"".join(records))
    assert found == truth
    assert not diagnostics.notes
    for place in (0, 1, 5, 11):
        for wrong in {*OF_KERNEL, *OF_PERF, 68, 81, 83, 90, 1000} - {kind}:
            damaged = struct.pack(order + "I", wrong) + records[place][4:]
            found, diagnostics = times(head + b"".join([*records[:place], damaged, *records[place + 1 :]]))
            assert found == truth[:place], (place, wrong)
            assert not diagnostics.sound, (place, wrong)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("size", [0, 1, 1 << 32, (1 << 64) - 1, -1])
def test_a_compressed_size_that_its_record_cannot_have(size: int, order: str) -> None:
    """COMPRESSED2 says how long its data is, which is padded to a word. -1: one byte less than it is."""
    writer, items = machine(order, LAYOUTS["-a"]), received(6)
    records = writer.compressed(items, 83, zstd())
    told = struct.unpack_from(order + "Q", records[2], 8)[0] + size if size < 0 else size
    records[2] = records[2][:8] + struct.pack(order + "Q", told) + records[2][16:]
    found, diagnostics = times(writer.pipe_head() + b"".join(records))
    assert found == [10**12, 10**12 + 1]
    assert not diagnostics.sound
