"""Damaged recordings end in a result with diagnostics or in an InputError, soon and without much memory."""

from __future__ import annotations

import io
import random
import struct
import tracemalloc
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from perfdata_writer import Hit, Item, Machine, Round

from perfpath.cli import main
from perfpath.errors import EXIT_INPUT, EXIT_OK, InputError
from perfpath.readers.perfdata import PipeDecoder, open_perfdata, open_pipe, order

if TYPE_CHECKING:
    from pathlib import Path

SMALL = [
    "perf-6.1/four.data",
    "perf-6.1/four.zstd.data",
    "perf-6.1/four.pipe",
    "perf-6.12/four.zstd.data",
    "perf-7.2/four.data",
    "perf-7.2/four.zstd.data",
    "perf-7.2/four.pipe",
    "tprobe-6.12.data",
]
REPORTED = [*SMALL, "perf-6.1/net-all.data", "kernel-6.18/nft.data", "kernel-6.18/vx.data"]
CASES = 300  # for each of the recordings
REPORTED_CASES = 40
ABSURD = [0, 1, 7, 8, 9, 16, 127, 255, 0xFFF8, 0xFFFF, *(2**n - m for n in (31, 32, 63, 64) for m in (0, 1))]


def read(data: bytes) -> int:
    """How many events there are, both ways of reading agreeing that it is input and not a defect."""
    try:
        source = open_perfdata(io.BytesIO(data), batch_bytes=None, fields=("skb:kfree_skb.reason", "net_dev_queue.len"))
        count = 0
        for table in source.batches():
            count += len(table)
            times = table["time_ns"]
            assert bool((times[1:] >= times[:-1]).all())
            for column in ("event", "dev", "comm"):
                table.texts(column)
        source.diagnostics.as_dict()
    except InputError:
        return -1
    return count


def mutated(data: bytes, chance: random.Random) -> bytes:
    """One kind of damage, at random places."""
    out = bytearray(data)
    kind = chance.randrange(7)
    if kind == 0:  # flipped bits
        for _ in range(chance.choice([1, 2, 8, 64])):
            out[chance.randrange(len(out))] ^= 1 << chance.randrange(8)
    elif kind == 1:  # cut
        del out[chance.randrange(len(out)) :]
    elif kind == 2:  # absurd numbers
        for _ in range(chance.choice([1, 1, 4])):
            code = chance.choice("HIQ")
            size = struct.calcsize(code)
            at = chance.randrange(len(out) - size) // size * size
            struct.pack_into("<" + code, out, at, chance.choice(ABSURD) % 2 ** (8 * size))
    elif kind == 3:  # absurd numbers in the header, attrs and ids
        at = chance.randrange(0, min(1000, len(out) - 8), 8)
        struct.pack_into("<Q", out, at, chance.choice([*ABSURD, len(out), len(out) - 1, 104, 105]) % 2**64)
    elif kind == 4:  # something repeated
        start = chance.randrange(len(out))
        piece = out[start : start + chance.choice([8, 96, 1000])]
        at = chance.randrange(len(out)) // 8 * 8
        out[at:at] = piece * chance.choice([1, 50])
    elif kind == 5:  # something moved
        start = chance.randrange(len(out)) // 8 * 8
        piece = out[start : start + 96]
        del out[start : start + 96]
        at = chance.randrange(len(out) + 1) // 8 * 8
        out[at:at] = piece
    else:  # zeros, or noise
        start = chance.randrange(len(out))
        size = min(chance.choice([1, 8, 100, 4000]), len(out) - start)
        out[start : start + size] = bytes(size) if chance.random() < 0.5 else chance.randbytes(size)
    return bytes(out)


@pytest.mark.parametrize("name", SMALL)
def test_a_damaged_recording_is_input_and_no_defect(corpus: Path, name: str) -> None:
    data = (corpus / name).read_bytes()
    chance = random.Random(name)
    results = [read(mutated(data, chance)) for _ in range(CASES)]
    assert read(data) > 0
    assert any(count > 0 for count in results)
    assert any(count < 0 for count in results)


@pytest.mark.parametrize("name", REPORTED)
def test_a_report_of_a_damaged_recording_is_input_and_no_defect(
    corpus: Path, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = (corpus / name).read_bytes()
    chance = random.Random(name)
    damaged = tmp_path / "damaged"
    for case in range(REPORTED_CASES):
        damaged.write_bytes(mutated(data, chance))
        options = chance.choice(
            [["--format", "jsonl"], ["--format", "tree", "--since", "+1us"], ["--latency"], ["--header"]]
        )
        status = main(["report", *options, str(damaged)])
        assert status in {EXIT_OK, EXIT_INPUT}, (case, capsys.readouterr().err)


def place(data: bytes | bytearray, kind: int, number: int) -> int:
    """Where the n-th record of a type stands in a plain file."""
    at: int
    at, length = struct.unpack_from("<QQ", data, 40)
    end = at + length
    while at < end:
        found, _, size = struct.unpack_from("<IHH", data, at)
        number -= found == kind
        if number < 0:
            return at
        at += size
    raise AssertionError(f"no such record of type {kind}")


def swallowing(data: bytes | bytearray, at: int) -> int:
    """The size of a record together with the one behind it."""
    size: int = struct.unpack_from("<H", data, at + 6)[0]
    behind: int = struct.unpack_from("<H", data, at + size + 6)[0]
    return size + behind


def notes(data: bytes) -> tuple[int, dict[str, int]]:
    source = open_perfdata(io.BytesIO(data))
    count = sum(map(len, source.batches()))
    return count, {code: note.count for code, note in source.diagnostics.notes.items()}


@pytest.mark.parametrize("kind", [0, 23, 63, 87, 1000, 2**31])
def test_a_record_of_an_unknown_type_is_told_of(corpus: Path, kind: int) -> None:
    data = bytearray((corpus / "perf-6.1/four.data").read_bytes())
    before, _ = notes(bytes(data))
    struct.pack_into("<I", data, place(data, 9, 5), kind)
    assert notes(bytes(data)) == (before - 1, {"unknown-record": 1})


@pytest.mark.parametrize("kind", [2, 4, 5, 7, 11, 13, 14, 68])
def test_a_record_of_a_size_its_type_cannot_have_is_told_of(corpus: Path, kind: int) -> None:
    """It was a sample, or hides some."""
    data = bytearray((corpus / "perf-6.1/four.data").read_bytes())
    before, _ = notes(bytes(data))
    at = place(data, 9, 2)
    struct.pack_into("<IHH", data, at, kind, 0, swallowing(data, at))
    assert notes(bytes(data)) == (before - 2, {"malformed-record": 1})


def test_a_sample_that_ends_before_its_record_is_told_of(corpus: Path) -> None:
    """Its size swallows the sample behind it."""
    data = bytearray((corpus / "perf-6.1/four.data").read_bytes())
    before, _ = notes(bytes(data))
    at = place(data, 9, 2)
    struct.pack_into("<H", data, at + 6, swallowing(data, at))
    assert notes(bytes(data)) == (before - 1, {"overlong-record": 1})


def test_companions_without_any_hop_are_no_defect(corpus: Path, tmp_path: Path) -> None:
    """The four tracepoints were seen earlier, and what is left are others' events."""
    data = (corpus / "perf-6.1/net-all.data").read_bytes()
    cut = tmp_path / "cut"
    for count in range(12):
        cut.write_bytes(data[: place(data, 9, count)])
        assert main(["report", "--format", "jsonl", str(cut)]) == EXIT_OK


def test_records_cut_and_shuffled_are_no_defect(corpus: Path) -> None:
    """Whole records in another order, doubled or missing: the stream stays readable, and no event is invented."""
    data = (corpus / "perf-6.1/four.pipe").read_bytes()
    records, at = [], 16
    while at < len(data):
        kind, _, size = struct.unpack_from("<IHH", data, at)
        if kind == 66:
            size += struct.unpack_from("<I", data, at + 8)[0]
        records.append(data[at : at + size])
        at += size
    head, rest = records[:40], records[40:]
    chance = random.Random(5)
    for _ in range(200):
        chosen = chance.choices(rest, k=chance.randrange(2 * len(rest)))
        some = chance.sample(head, chance.randrange(len(head) // 2, len(head) + 1))
        decoder = PipeDecoder()
        decoder.feed(data[:16] + b"".join(some + chosen))
        samples = sum(record[:4] == b"\x09\0\0\0" for record in [*some, *chosen])
        left_out = {"unknown-event", "unknown-id", "no-attrs", "malformed-record", "duplicate-record"}
        table = decoder.close()
        missing = sum(decoder.diagnostics.notes[code].count for code in left_out if code in decoder.diagnostics.notes)
        assert len(table) + missing == samples


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400), st.sampled_from([b"", b"PERFILE2", b"PERFILE2" + struct.pack("<Q", 16), b"2ELIFREP"]))
def test_noise_is_no_defect(noise: bytes, head: bytes) -> None:
    read(head + noise)
    try:
        source = open_pipe(io.BytesIO(head + noise))
        list(source.batches())
    except InputError:
        return
    assert head


@pytest.mark.parametrize("kind", [81, 83])
def test_a_decompression_bomb_is_not_held(kind: int) -> None:
    """1 GiB of zeros in 32 KiB: the inner stream is seen to be broken at its first record."""
    zstandard = pytest.importorskip("zstandard")
    compressor = zstandard.ZstdCompressor(level=3).compressobj()
    squeezed = b"".join(compressor.compress(bytes(1 << 20)) for _ in range(256)) + compressor.flush()
    body = squeezed if kind == 81 else struct.pack("<Q", len(squeezed)) + squeezed
    assert len(body) < 65_528
    stream = b"PERFILE2" + struct.pack("<Q", 16) + struct.pack("<IHH", kind, 0, len(body) + 8) + body
    tracemalloc.start()
    decoder = PipeDecoder()
    decoder.feed(stream)
    assert len(decoder.close()) == 0
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "broken-stream" in decoder.diagnostics.notes
    assert peak < 128 << 20


def test_a_bomb_of_events_is_an_input_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few compressed bytes that are many true samples: what is too much to hold ends in a message, not in a kill."""
    zstandard = pytest.importorskip("zstandard")
    machine = Machine()
    samples = machine.sample(Hit(7, 0, 1, 1, "netif_rx", 1, 60, b"lo")) * 400_000
    packed = zstandard.ZstdCompressor().compress(samples)
    assert len(packed) < 60_000
    bomb = tmp_path / "bomb"
    bomb.write_bytes(machine.pipe_head() + struct.pack("<IHH", 81, 0, 8 + len(packed)) + packed)
    assert sum(map(len, open_perfdata(bomb).batches())) == 400_000
    monkeypatch.setattr(order, "most_rows", lambda: 100_000)
    for size in (None, 1 << 20):
        with pytest.raises(InputError, match="more than 100000 events"):
            list(open_perfdata(bomb, batch_bytes=size).batches())
    assert main(["report", str(bomb)]) == EXIT_INPUT


def test_a_whole_recording_too_large_for_memory_is_read_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine()
    items: list[Item] = []
    for start in range(0, 60_000, 100):
        items += [Hit(start + n, 0, 1, 1, "netif_rx", n, 60, b"lo") for n in range(100)]
        items.append(Round())
    data = machine.file(items)
    monkeypatch.setattr(order, "most_rows", lambda: 50_000)
    with pytest.raises(InputError, match="--memory"):
        list(open_perfdata(io.BytesIO(data)).batches())
    assert sum(map(len, open_perfdata(io.BytesIO(data), batch_bytes=1 << 20).batches())) == 60_000


def test_an_absurd_tracing_data_size_is_not_waited_for() -> None:
    stream = b"PERFILE2" + struct.pack("<Q", 16) + struct.pack("<IHHI", 66, 0, 12, 2**32 - 8)
    decoder = PipeDecoder()
    decoder.feed(stream)
    decoder.close()
    assert "broken-stream" in decoder.diagnostics.notes


@pytest.mark.parametrize("data", [b"", b"PERF", b"\x7fELF" + bytes(200), b"PERFILE2" + bytes(8)])
def test_what_is_no_recording_is_said_to_be_none(data: bytes) -> None:
    with pytest.raises(InputError):
        open_perfdata(io.BytesIO(data))


def test_a_missing_file_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"perf\.data"):
        open_perfdata(tmp_path / "perf.data")
    with pytest.raises(InputError):
        open_perfdata(tmp_path)
