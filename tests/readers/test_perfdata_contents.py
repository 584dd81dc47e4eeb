"""Recordings of other events than packets' tracepoints, and of other programs than perf."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from perfdata_writer import CPU, ID, IDENTIFIER, IP, PERIOD, RAW, TID, TIME, Hit, Item, Machine, Other, Throttle

from perfpath.cli import main
from perfpath.errors import InputError
from perfpath.readers.perfdata import machine, open_perfdata, open_pipe

if TYPE_CHECKING:
    from pathlib import Path

    from perfpath.readers.recording import Source

CYCLES, CLOCK, DUMMY = (0, 0), (1, 0), (1, 9)
PLAIN = IP | TID | TIME | CPU | PERIOD | IDENTIFIER
HITS = [Hit(1000 + n, n % 2, 7, 7, "netif_rx", 0xFFFF_0000 + n, 98, b"eth0") for n in range(20)]
ITEMS: list[Item] = [*HITS]
WAYS = ["perf's type", "its own type", "split"]


def read(data: bytes, *, pipe: bool = False) -> tuple[Source, list[tuple[int, int]]]:
    source = open_pipe(io.BytesIO(data)) if pipe else open_perfdata(io.BytesIO(data))
    rows = [row for t in source.batches() for row in zip(t["time_ns"].tolist(), t["skbaddr"].tolist(), strict=True)]
    return source, rows


def hostname(order: str) -> dict[int, bytes]:
    """The feature that every file has: by it perf knows how wide the words of the bitmap are."""
    return {3: Machine(order=order).pack("I", 64) + b"host".ljust(64, b"\0")}


def notes(source: Source) -> dict[str, int]:
    return {code: note.count for code, note in source.diagnostics.notes.items()}


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("pipe", [False, True])
def test_a_recording_without_tracepoints_says_what_it_is_of(order: str, pipe: bool) -> None:
    """Perf was not killed: there are no formats because there is nothing that has one."""
    writer = Machine(order=order, others=((*CYCLES, PLAIN), (*DUMMY, PLAIN)), traced=False)
    items: list[Item] = [Other(1000 + n, 0, 5) for n in range(3)]
    source, rows = read(writer.pipe(items) if pipe else writer.file(items), pipe=pipe)
    assert not rows
    assert notes(source) == {"other-samples": 3, "no-packets": 1}
    assert source.diagnostics.notes["no-packets"].message.endswith("it is of cycles")
    assert source.diagnostics.sound


def test_events_are_called_what_perf_called_them() -> None:
    plain = Machine(others=((6, 0x11, PLAIN), (4, 0x3C, PLAIN)), traced=False)
    bare, _ = read(plain.file([]))
    assert bare.diagnostics.notes["no-packets"].message.endswith("it is of an event of type 6, a raw event")
    named = Machine(
        others=plain.others, traced=False, features={12: plain.event_desc([b"cpu_core/cycles/", b"\x1b[31mevil"])}
    )
    for pipe in (False, True):
        source, _ = read(named.pipe([]) if pipe else named.file([]), pipe=pipe)
        assert source.info.others == ("cpu_core/cycles/", "\x1b[31mevil")


def test_the_report_tells_it_and_obeys_no_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain = Machine(others=((*CYCLES, PLAIN),), traced=False)
    named = Machine(others=plain.others, traced=False, features={12: plain.event_desc([b"\x1b[31mevil"])})
    (tmp_path / "c.data").write_bytes(named.file([Other(1, 0, 5)]))
    assert main(["report", str(tmp_path / "c.data")]) == 0
    assert "warning: none of the recorded events shows packets" in (out := capsys.readouterr().out)
    assert "net:net_dev_queue" in out
    assert "\x1b" not in out
    assert main(["report", "--header", str(tmp_path / "c.data")]) == 0
    assert "\x1b" not in (out := capsys.readouterr().out)
    assert "evil" in out


@pytest.mark.parametrize("ids", [True, False])
def test_other_events_may_have_raw_data(ids: bool) -> None:
    """`perf record -R -e cycles`: it looks like a tracepoint's, and is no malformed one."""
    bits = PLAIN | RAW if ids else (PLAIN | RAW) & ~IDENTIFIER
    writer = Machine(others=((*CYCLES, bits),), traced=False)
    source, _ = read(writer.file([Other(1000, 0, 5, 0, b"\x09\x00what"), Other(1001, 0, 5)]))
    assert notes(source) == {"other-samples": 2, "no-packets": 1}


@pytest.mark.parametrize("order", ["<", ">"])
def test_other_events_with_raw_among_tracepoints(order: str) -> None:
    """BPF's output events have the same layout: only the id tells them from tracepoints."""
    bpf = (1, 10, Machine().sample_type)
    writer = Machine(order=order, others=(bpf, (*CYCLES, PLAIN)), features=hostname(order))
    raw = writer.raw(HITS[0])
    items: list[Item] = [HITS[0], Other(1000, 0, 5, 0, raw), Other(1000, 0, 5, 1), *HITS[1:]]
    source, rows = read(writer.file(items))
    assert rows == [(hit.time, hit.skb) for hit in HITS]
    assert notes(source) == {"other-samples": 2}


def test_a_throttled_other_event_leaves_no_hole() -> None:
    writer = Machine(others=((*CYCLES, PLAIN),))
    throttle = writer.pack("QQQ", 1005, writer.other_id(0, 0), 1) + writer.trailer(1005)
    data = writer.of_sections(b"".join(map(writer.item, HITS)) + writer.record(5, throttle), {1: writer.tracing_data()})
    source, rows = read(data)
    assert len(rows) == len(HITS)
    assert not source.diagnostics.losses
    assert notes(source) == {"others-throttled": 1}
    source, _ = read(writer.file([*HITS, Throttle(1005, 0, "netif_rx", True)]))
    assert source.diagnostics.losses


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("way", WAYS)
def test_simpleperf_has_its_formats_in_the_data(order: str, way: str) -> None:
    """Android's: with ID, not IDENTIFIER, and no feature that says so."""
    bits = IP | TID | TIME | ID | CPU | PERIOD | RAW
    writer = Machine(order=order, sample_type=bits, features=hostname(order))
    source, rows = read(writer.simpleperf(ITEMS, way))
    assert rows == [(hit.time, hit.skb) for hit in HITS]
    assert not source.diagnostics.notes
    with_stream = open_perfdata(io.BytesIO(writer.simpleperf(ITEMS, way)), batch_bytes=1 << 16)
    assert sum(map(len, with_stream.batches())) == len(HITS)


def test_parts_that_are_no_record_are_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "TRACEFS", (tmp_path,))
    writer = Machine()
    whole = writer.simpleperf(ITEMS, "split")
    at = whole.index(writer.pack("IHH", 32772, 0, 65535))
    source, rows = read(whole[:at] + writer.pack("IHH", 32772, 0, 65535) + b"\xff" * 6 + whole[at + 14 :])
    assert not rows
    assert not source.diagnostics.sound
    assert notes(source)["malformed-record"] == 1
    assert notes(source)["unknown-event"] == len(HITS)


def test_a_whole_recording_without_formats_was_not_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "TRACEFS", (tmp_path,))
    writer = Machine(features=hostname("<"))
    with pytest.raises(InputError, match="left them out"):
        read(writer.of_sections(b"".join(map(writer.item, HITS)), writer.features))
    with pytest.raises(InputError, match="was killed, or the file is cut"):
        read(writer.of_sections(b"".join(map(writer.item, HITS)), {}))


def test_tracepoints_without_their_fields_are_named() -> None:
    """Where simpleperf traces who is off the CPU, its sched_switch has no RAW."""
    source, _ = read(Machine(others=((2, 47, PLAIN),), traced=False).file([Other(1, 0, 5)]))
    assert notes(source) == {"other-samples": 1, "no-packets": 1}
    assert "tracepoint 47 without its fields" in source.diagnostics.notes["no-packets"].message
