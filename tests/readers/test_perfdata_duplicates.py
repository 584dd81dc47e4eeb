"""Samples that perf wrote twice, as perf_mmap__push does; and samples that only look like them."""

from __future__ import annotations

import io
import struct
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from perfdata_writer import CPU, IDENTIFIER, RAW, TID, TIME, Hit, Item, Lost, Machine, Round

from perfpath.readers.perfdata import PipeDecoder, open_perfdata
from perfpath.tables import Table, concatenated

if TYPE_CHECKING:
    from pathlib import Path

    from perfpath.diagnostics import Diagnostics

MACHINE = Machine()


def hit(time: int, cpu: int = 0, skb: int = 1) -> Hit:
    return Hit(time, cpu, 1, 1, "netif_rx", skb, 60, b"lo")


def whole(machine: Machine, items: list[Item]) -> tuple[list[int], Diagnostics]:
    source = open_perfdata(io.BytesIO(machine.file(items)))
    return addresses(list(source.batches())), source.diagnostics


def streamed(machine: Machine, items: list[Item]) -> tuple[list[int], Diagnostics]:
    source = open_perfdata(io.BytesIO(machine.file(items)), batch_bytes=1)
    return addresses(list(source.batches())), source.diagnostics


def piped(machine: Machine, items: list[Item]) -> tuple[list[int], Diagnostics]:
    decoder, data = PipeDecoder(), machine.pipe(items)
    tables = []
    for start in range(0, len(data), 100):
        decoder.feed(data[start : start + 100])
        tables.append(decoder.take())
    return addresses([*tables, decoder.close()]), decoder.diagnostics


def live(machine: Machine, items: list[Item]) -> tuple[list[int], Diagnostics]:
    """Everything is released as soon as it is read."""
    decoder = PipeDecoder()
    decoder.feed(machine.pipe([]))
    tables = []
    for item in items:
        decoder.feed(machine.item(item))
        tables.append(decoder.take(idle=True))
    return addresses([*tables, decoder.close()]), decoder.diagnostics


def compressed(machine: Machine, items: list[Item]) -> tuple[list[int], Diagnostics]:
    """As perf record -z writes it: FINISHED_ROUNDs stand between the compressed records."""
    zstandard = pytest.importorskip("zstandard")
    compressor = zstandard.ZstdCompressor().compressobj()
    data, waiting = machine.pipe_head(), b""
    for item in [*items, Round()]:
        if isinstance(item, Round):
            packed = compressor.compress(waiting) + compressor.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
            data += struct.pack(machine.order + "IHH", 81, 0, 8 + len(packed)) + packed + machine.item(item)
            waiting = b""
        else:
            waiting += machine.item(item)
    source = open_perfdata(io.BytesIO(data))
    return addresses(list(source.batches())), source.diagnostics


def addresses(tables: list[Table]) -> list[int]:
    found: list[int] = concatenated(tables)["skbaddr"].tolist()
    return found


WAYS = [whole, streamed, piped, live, compressed]


@st.composite
def doubled(draw: st.DrawFn) -> tuple[list[Item], list[int], int]:
    """What perf writes: each CPU's turn begins with some of the last records of its turn before.

    Times stand still now and then, so that different events have equal ones. Returns also the samples' addresses
    in the order they were first written, and how many were written twice.
    """
    items: list[Item] = []
    skbs: list[int] = []
    last: dict[int, list[Hit]] = {0: [], 1: [], 2: []}
    now, again = 1, 0
    for _ in range(draw(st.integers(1, 6))):
        for cpu in draw(st.lists(st.sampled_from([0, 1, 2]), unique=True, max_size=3)):
            overlap = draw(st.integers(0, min(3, len(last[cpu]))))
            fresh = []
            for _ in range(draw(st.integers(0 if overlap else 1, 5))):
                now += draw(st.integers(0, 1))
                fresh.append(hit(now, cpu, len(skbs) + 1))
                skbs.append(len(skbs) + 1)
            repeated = last[cpu][len(last[cpu]) - overlap :]
            items += [*repeated, *fresh]
            again += overlap
            last[cpu] = repeated + fresh
        items.append(Round())
    return items, skbs, again


@pytest.mark.parametrize("read", WAYS)
@settings(max_examples=80, deadline=None)
@given(made=doubled())
def test_what_was_written_twice_is_read_once(read: object, made: tuple[list[Item], list[int], int]) -> None:
    items, skbs, again = made
    assert callable(read)
    found, diagnostics = read(MACHINE, items)
    assert sorted(found) == skbs
    notes = diagnostics.notes
    assert (notes["duplicate-record"].count if "duplicate-record" in notes else 0) == again
    assert diagnostics.sound


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("bits", [TID | TIME | CPU | RAW | IDENTIFIER, TID | TIME | CPU | RAW])
def test_the_note_says_where(order: str, bits: int) -> None:
    machine = Machine(order=order, sample_type=bits)
    found, diagnostics = whole(machine, [hit(7, 3, 1), Round(), hit(7, 3, 1), hit(8, 3, 2), Round()])
    assert found == [1, 2]
    note = diagnostics.notes["duplicate-record"]
    assert (note.severity, note.count, note.examples) == ("info", 1, ["CPU 3 at 7 ns"])


@pytest.mark.parametrize("read", WAYS)
@pytest.mark.parametrize(
    "other",
    [
        {"time": 6},
        {"cpu": 1},
        {"event": "net_dev_queue"},
        {"skb": 2},
        {"length": 61},
        {"dev": b"l0"},
        {"flags": 16},
        {"tid": 2},
    ],
)
def test_events_that_differ_are_two(read: object, other: dict[str, object]) -> None:
    """The other one stands at its CPU's last time or before it, so that it is looked at."""
    assert callable(read)
    second = replace(hit(7), **other)  # type: ignore[arg-type]
    found, diagnostics = read(MACHINE, [hit(7), Round(), second, Round()])
    assert len(found) == 2
    assert "duplicate-record" not in diagnostics.notes


@pytest.mark.parametrize("read", WAYS)
def test_equal_records_of_one_round_are_two_events(read: object) -> None:
    """A clock that doesn't tell them apart: perf writes nothing twice in one round."""
    assert callable(read)
    found, diagnostics = read(MACHINE, [hit(7), hit(7), Round(), hit(8), Round()])
    assert len(found) == 3
    assert "duplicate-record" not in diagnostics.notes


def test_a_duplicate_is_found_where_the_file_is_read_in_many_pieces() -> None:
    """The round is larger than what is read at once."""
    big: list[Item] = [hit(time, 0, time) for time in range(1, 60_000)]
    other: list[Item] = [hit(time, 1, time) for time in range(1, 60_000)]
    items = [*big, *other, Round(), *big[-5:], hit(70_000), *other[-2:], Round()]
    for batch_bytes in (None, 1):
        source = open_perfdata(io.BytesIO(MACHINE.file(items)), batch_bytes=batch_bytes)
        assert sum(map(len, source.batches())) == len(big) + len(other) + 1
        assert source.diagnostics.notes["duplicate-record"].count == 7


def test_a_loss_that_was_written_twice_counts_once() -> None:
    items: list[Item] = [hit(1), Lost(5, 0, 9), Round(), Lost(5, 0, 9), hit(6), Lost(7, 0, 9), Lost(7, 1, 9), Round()]
    for read in (whole, live):
        found, diagnostics = read(MACHINE, items)
        assert len(found) == 2
        assert diagnostics.lost == 27


def test_a_directory_has_no_rounds(tmp_path: Path) -> None:
    """perf record --threads writes none; its files begin anew where they ended, too."""
    (tmp_path / "data").write_bytes(MACHINE.file([]))
    (tmp_path / "data.0").write_bytes(b"".join(map(MACHINE.item, [hit(1, 0, 1), hit(2, 0, 2), hit(2, 0, 2), hit(3)])))
    (tmp_path / "data.1").write_bytes(b"".join(map(MACHINE.item, [hit(2, 1, 2), hit(3, 1, 3)])))
    source = open_perfdata(tmp_path)
    (table,) = source.batches()
    assert sorted(zip(table["time_ns"].tolist(), table["cpu"].tolist(), strict=True)) == [
        (1, 0),
        (2, 0),
        (2, 1),
        (3, 0),
        (3, 1),
    ]
    assert source.diagnostics.notes["duplicate-record"].count == 1
