"""Recordings made here: directories, callchains, namespaces, a killed perf; and what only some recordings have."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from perfpath.cli import main
from perfpath.errors import EXIT_INCOMPLETE, InputError
from perfpath.readers.perfdata import PipeDecoder, machine, open_perfdata
from perfpath.readers.perfdata.symbols import symbols_of
from perfpath.tables import concatenated

EVENTS = ["-e", "net:net_dev_queue", "-e", "net:netif_rx"]
PING = ["--", "ping", "-q", "-c", "5", "-i", "0.01", "127.0.0.1"]


def record(target: Path | str, *options: str) -> bytes:
    command = ["perf", "record", "-q", "-o", str(target), *EVENTS, *options, *PING]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout


def printed(recording: Path) -> list[str]:
    command = ["perf", "script", "-f", "-i", str(recording), "-F", "time,event", "--ns"]
    text = subprocess.run(command, capture_output=True, check=True, env={**os.environ, "PAGER": "cat"}).stdout.decode()
    return [line.strip() for line in text.splitlines() if line.strip()]


@pytest.mark.perf
def test_a_directory_is_read_as_one(tmp_path: Path) -> None:
    record(tmp_path / "rec", "-a", "--threads=cpu")
    assert (tmp_path / "rec" / "data.0").exists()
    expected = printed(tmp_path / "rec")
    for batch_bytes in (None, 1 << 16):
        table = concatenated(list(open_perfdata(tmp_path / "rec", batch_bytes=batch_bytes).batches()))
        assert len(table) == len(expected) >= 20
        shown = [f"{t // 10**9}.{t % 10**9:09}" for t in table["time_ns"].tolist()]
        assert shown == [line.split(":")[0] for line in expected]


@pytest.mark.perf
def test_callchains_and_namespaces_are_known(tmp_path: Path) -> None:
    record(tmp_path / "perf.data", "-g", "--kernel-callchains", "--namespaces", "-k", "CLOCK_MONOTONIC")
    source = open_perfdata(tmp_path / "perf.data")
    (table,) = source.batches()
    own = Path("/proc/self/ns/net").stat().st_ino
    senders = table["flags"] & 0x58 == 0
    assert senders.any()
    assert set(table["task_netns"][senders].tolist()) == {own}
    assert own in source.tasks.netns
    assert (table["stack"] >= 0).all()
    assert all(len(source.stacks[number]) > 3 for number in table["stack"].tolist())
    assert all(address >= 1 << 63 and address < 2**64 - 4095 for stack in source.stacks for address in stack)
    assert source.info.clockid == 1
    assert source.info.wall_offset_ns is not None


@pytest.mark.perf
def test_a_pipe_is_decoded_as_it_comes() -> None:
    decoder = PipeDecoder()
    decoder.feed(record("-", "--namespaces"))
    table = concatenated([decoder.take(), decoder.take(idle=True), decoder.close()])
    assert table.texts("event").count("netif_rx") == 10
    assert set(table.texts("dev")) == {"lo"}
    assert decoder.info.events == ("net_dev_queue", "netif_rx")


@pytest.mark.perf
def test_a_killed_file_is_read_with_this_machines_formats(tmp_path: Path) -> None:
    """As perf leaves it: no data size, no table of features."""
    record(tmp_path / "perf.data")
    whole = (tmp_path / "perf.data").read_bytes()
    offset, size = np.frombuffer(whole[40:56], "<u8").tolist()
    killed = tmp_path / "killed.data"
    killed.write_bytes(whole[:48] + bytes(8) + whole[56 : offset + size])
    (complete,) = open_perfdata(tmp_path / "perf.data").batches()
    source = open_perfdata(killed)
    (table,) = source.batches()
    assert table.texts("event") == complete.texts("event")
    assert table["skbaddr"].tolist() == complete["skbaddr"].tolist()
    assert {"unfinished", "borrowed-formats"} <= set(source.diagnostics.notes)


@pytest.mark.perf
def test_a_file_whose_perf_was_killed_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """perf's own leavings after SIGKILL: the data's size is 0, and there are no formats."""
    recording = tmp_path / "perf.data"
    command = ["perf", "record", "-q", "-m", "16", "-o", str(recording), *EVENTS]
    perf = subprocess.Popen([*command, "--", "ping", "-q", "-f", "127.0.0.1"], stderr=subprocess.DEVNULL)
    try:
        while not recording.exists() or recording.stat().st_size < 1 << 18:
            assert perf.poll() is None
        children = Path(f"/proc/{perf.pid}/task/{perf.pid}/children").read_text().split()
    finally:
        perf.kill()
        perf.wait()
    for child in children:
        os.kill(int(child), signal.SIGKILL)
    offset, size = np.frombuffer(recording.read_bytes()[40:56], "<u8").tolist()
    assert size == 0
    assert offset > 0
    assert main(["report", "--format", "summary", str(recording)]) == 0
    shown = capsys.readouterr().out
    assert "killed" in shown
    assert "this machine's" in shown
    assert main(["report", "--strict", "--format", "summary", str(recording)]) == EXIT_INCOMPLETE
    source = open_perfdata(recording)
    events = sum(map(len, source.batches()))
    assert events > 1000


def test_a_cut_recording_without_formats_says_what_is_missing(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a machine without tracefs, such as a Mac."""
    data = (corpus / "tprobe-6.12.data").read_bytes()
    offset, size = np.frombuffer(data[40:56], "<u8").tolist()
    (tmp_path / "cut.data").write_bytes(data[: offset + size])
    monkeypatch.setattr(machine, "TRACEFS", (tmp_path,))
    with pytest.raises(InputError, match="no event formats"):
        open_perfdata(tmp_path / "cut.data")


def test_bounded_pieces_are_the_same_events(corpus: Path) -> None:
    (whole,) = open_perfdata(corpus / "lost.data").batches()
    pieces = list(open_perfdata(corpus / "lost.data", batch_bytes=1 << 18).batches())
    assert len(pieces) > 4
    joined = concatenated(pieces)
    for column in ("time_ns", "cpu", "tid", "comm", "event", "dev", "skbaddr", "len"):
        assert np.array_equal(joined[column], whole[column])


def test_losses_are_counted_once(corpus: Path) -> None:
    source = open_perfdata(corpus / "lost.data")
    list(source.batches())
    assert source.diagnostics.lost == 54481
    assert len(source.diagnostics.losses) == 75
    assert all(loss.start_ns is not None and loss.end_ns is not None for loss in source.diagnostics.losses)


def test_probes_carry_namespace_and_index(corpus: Path) -> None:
    (table,) = open_perfdata(corpus / "tprobe-6.12.data").batches()
    assert len(table) == 6
    assert (table["netns"] >= 0xF0000000).all()
    assert (table["ifindex"] > 0).all()
    assert set(table["protocol"].tolist()) <= {0x0800, 0x0806}


def test_drop_reasons_are_named_by_the_recording(corpus: Path) -> None:
    spec = "skb:kfree_skb.reason"
    source = open_perfdata(corpus / "kernel-6.18" / "nft.data", fields=(spec,))
    (table,) = source.batches()
    drops = [row for row, event in enumerate(table.texts("event")) if event == "skb:kfree_skb"]
    form = source.format("skb:kfree_skb")
    assert form is not None
    assert [form.symbols["reason"].text(int(table[spec][row])) for row in drops] == ["NETFILTER_DROP"]


def test_flags_are_joined_and_unknown_values_stay_numbers() -> None:
    found = symbols_of(
        '"%s %s", __print_flags(REC->f, "|", { 0x1, "A" }, { (1UL << 2), "B" }), '
        '__print_symbolic(REC->s, { 0, "ZERO" }, { -1, "NO" }, { SOMETHING, "?" })'
    )
    assert [found["f"].text(value) for value in (1, 5, 13, 0)] == ["A", "A|B", "A|B|0x8", "0x0"]
    assert [found["s"].text(value) for value in (0, -1, 3)] == ["ZERO", "NO", "0x3"]


def test_compressed_without_a_library_says_what_to_install(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("zstandard", "compression", "compression.zstd"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match=r"pip install 'perfpath\[zstd\]'"):
        list(open_perfdata(corpus / "perf-6.1" / "four.zstd.data").batches())


def test_pythons_own_zstd_serves_where_the_library_is_missing(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in of Python 3.14's compression.zstd, with the library behind it."""
    zstandard = pytest.importorskip("zstandard")
    package, module = ModuleType("compression"), ModuleType("compression.zstd")
    monkeypatch.setattr(module, "ZstdDecompressor", lambda: zstandard.ZstdDecompressor().decompressobj(), raising=False)
    monkeypatch.setattr(module, "ZstdError", zstandard.ZstdError, raising=False)
    monkeypatch.setattr(package, "zstd", module, raising=False)
    usual = concatenated(list(open_perfdata(corpus / "perf-6.1" / "four.zstd.data").batches()))
    for name, stub in (("zstandard", None), ("compression", package), ("compression.zstd", module)):
        monkeypatch.setitem(sys.modules, name, stub)
    found = concatenated(list(open_perfdata(corpus / "perf-6.1" / "four.zstd.data").batches()))
    assert len(found) > 10
    assert found["time_ns"].tolist() == usual["time_ns"].tolist()
    assert found.texts("dev") == usual.texts("dev")
