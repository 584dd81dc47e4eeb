"""What perf, ftrace and trace-cmd of this machine print, against what was sent and what perf itself counts."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from perfpath.readers.source import open_recording
from perfpath.readers.text.decoder import TextDecoder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from perfpath.tables import Table

COMMS = [b"a b", b"a/b (x)", b"1 [000] 1.0: x", b"x-12 [000]", b"plain", b"\xff\x1b[31m", b"a(b): c/1"]
SENDER = f"""
import ctypes, socket
libc, s = ctypes.CDLL(None), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for comm in {COMMS!r}:
    libc.prctl(15, comm, 0, 0, 0)
    s.sendto(b"x" * 4000, ("127.0.0.1", 9))
"""
LENGTH = 4000 + 8 + 20 + 14
TRACEFS = Path("/sys/kernel/tracing")

pytestmark = pytest.mark.perf


def _run(*command: str) -> bytes:
    return subprocess.run(command, check=True, capture_output=True, timeout=60).stdout


def _decoded(text: bytes) -> tuple[Table, TextDecoder]:
    decoder = TextDecoder()
    decoder.feed(text)
    return decoder.close(), decoder


def _sent(table: Table) -> list[tuple[str | None, str | None]]:
    """(comm, dev) of the sender's own packets, by their length."""
    rows = zip(table.texts("event"), table["len"].tolist(), table.texts("comm"), table.texts("dev"), strict=True)
    return [(comm, dev) for event, length, comm, dev in rows if event == "net_dev_queue" and length == LENGTH]


def _named(length: int) -> list[tuple[str, str]]:
    return [(comm[:length].decode("utf-8", "surrogateescape"), "lo") for comm in COMMS]


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recording") / "perf.data"
    events = ("-e", "net:*", "-e", "skb:kfree_skb", "-e", "skb:consume_skb")
    _run("perf", "record", "-q", "-a", *events, "-o", str(path), "--", sys.executable, "-c", SENDER)
    return path


@pytest.fixture(scope="module")
def default(recording: Path) -> Table:
    return _decoded(_run("perf", "script", "-i", str(recording)))[0]


@pytest.mark.parametrize(
    ("options", "missing"),
    [
        (["--ns"], set()),
        (["--header"], set()),
        (["--show-lost-events"], set()),
        (["-F", "comm,pid,tid,cpu,time,event,trace"], set()),
        (["-F", "comm,pid,tid,cpu,time,event,trace,flags"], set()),
        (["-F", "comm,tid,cpu,time,event,trace,ip,sym"], set()),
        (["-F", "comm,tid,cpu,time,event,trace,period"], set()),
        (["-F", "+misc"], set()),
        (["-F", "comm,tid,time,event,trace"], {"cpu"}),
        (["-F", "tid,cpu,time,event,trace"], {"comm"}),
        (["-F", "pid,tid,cpu,time,event,trace"], {"comm"}),
        (["-F", "cpu,time,event,trace"], {"comm", "pid", "tid"}),
        (["-F", "time,event,trace"], {"comm", "pid", "tid", "cpu"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_variants_of_perf_script(recording: Path, default: Table, options: list[str], missing: set[str]) -> None:
    table, decoder = _decoded(_run("perf", "script", "-i", str(recording), *options))
    assert decoder.info.format == "perf script"
    assert decoder.diagnostics.sound
    assert (table["time_ns"] // 1000).tolist() == (default["time_ns"] // 1000).tolist()
    for name in ("event", "dev", "comm"):
        texts = [None] * len(default) if name in missing else default.texts(name)
        assert table.texts(name) == texts, name
    for name in ("cpu", "pid", "tid", "skbaddr", "len", "protocol", "rc"):
        values = [-1] * len(default) if name in missing else default[name].tolist()
        assert name == "pid" or table[name].tolist() == values, name  # pid is the tid, where only one is printed


def test_perf_script_of_hostile_names(default: Table) -> None:
    assert _sent(default) == _named(15)


def test_every_event_perf_counts_is_there(recording: Path, default: Table) -> None:
    converted = recording.with_suffix(".json")
    _run("perf", "data", "convert", "-i", str(recording), "--to-json", str(converted), "--force")
    samples = json.loads(converted.read_bytes().decode("utf-8", "replace"), strict=False)["samples"]
    assert len(default) == len(samples)


@pytest.mark.parametrize("style", [[], ["--libtraceevent_print"]], ids=["default", "libtraceevent"])
@pytest.mark.parametrize("options", [[], ["-T"], ["--no-comm"], ["-a"], ["--call-graph=fp"]], ids=" ".join)
def test_perf_trace_of_hostile_names(tmp_path: Path, style: list[str], options: list[str]) -> None:
    output = tmp_path / "trace.txt"
    _run(
        "perf", "trace", "--no-syscalls", "-e", "net:*", *style, *options, "-o", str(output),
        "--", sys.executable, "-c", SENDER,
    )  # fmt: skip
    table, decoder = _decoded(output.read_bytes())
    assert decoder.info.format == "perf trace"
    assert decoder.diagnostics.sound
    expected = _named(14)
    assert _sent(table) == ([(None, dev) for _, dev in expected] if "--no-comm" in options else expected)
    xmit = [rc for event, rc in zip(table.texts("event"), table["rc"].tolist(), strict=True) if event == "net_dev_xmit"]
    assert set(xmit) == {0}


def test_perf_trace_among_system_calls(tmp_path: Path) -> None:
    output = tmp_path / "trace.txt"
    _run("perf", "trace", "-e", "net:*,sendto", "-o", str(output), "--", sys.executable, "-c", SENDER)
    table, decoder = _decoded(output.read_bytes())
    assert decoder.diagnostics.sound
    assert _sent(table) == _named(14)


@pytest.fixture
def instance() -> Iterator[Path]:
    """A trace buffer of our own, so that the machine's is left alone."""
    folder = TRACEFS / "instances" / f"perfpath_{uuid.uuid4().hex[:8]}"
    try:
        folder.mkdir()
    except OSError as error:
        pytest.skip(f"no trace instances here: {error}")
    try:
        yield folder
    finally:
        (folder / "events" / "enable").write_text("0") if folder.exists() else None
        folder.rmdir() if folder.exists() else None


def _trace_into(instance: Path) -> None:
    for system in ("net", "skb"):
        (instance / "events" / system / "enable").write_text("1")
    _run(sys.executable, "-c", SENDER)
    (instance / "tracing_on").write_text("0")


@pytest.mark.parametrize("option", ["", "noirq-info", "latency-format", "verbose", "record-tgid", "nohash-ptr"])
def test_ftrace(instance: Path, option: str) -> None:
    if option:
        name, value = (option[2:], "0") if option.startswith("no") else (option, "1")
        (instance / "options" / name).write_text(value)
    _trace_into(instance)
    table, decoder = _decoded((instance / "trace").read_bytes())
    assert decoder.info.format == "ftrace"
    assert decoder.diagnostics.sound
    assert [dev for _, dev in _sent(table)] == ["lo"] * len(COMMS)
    flags = set(table["flags"].tolist())
    assert flags == {-1} if option == "noirq-info" else -1 not in flags
    high = {address >> 48 for address in table["skbaddr"].tolist() if address}
    assert high == ({0xFFFF} if option == "nohash-ptr" else {0})


def test_ftrace_tells_where_a_packet_is_handled(instance: Path) -> None:
    _trace_into(instance)
    table, _ = _decoded((instance / "trace").read_bytes())
    rows = zip(table.texts("event"), table["len"].tolist(), table["flags"].tolist(), strict=True)
    seen = {event: bits & 0x10 for event, length, bits in rows if length in (LENGTH, LENGTH - 14)}
    assert seen["net_dev_queue"] == 0  # sent by the process itself
    assert seen["netif_receive_skb"] == 0x10  # handled in a softirq


def test_a_file_of_tracefs_is_read_where_it_stands(instance: Path) -> None:
    _trace_into(instance)
    (table,) = open_recording(str(instance / "trace")).batches()
    assert len(_sent(table)) == len(COMMS)


@pytest.mark.skipif(shutil.which("trace-cmd") is None, reason="trace-cmd is not installed")
@pytest.mark.parametrize("options", [[], ["-t"], ["-l"], ["-R"], ["--ts-diff"], ["--raw-ts"]], ids=" ".join)
def test_trace_cmd(instance: Path, tmp_path: Path, options: list[str]) -> None:
    _trace_into(instance)
    data = str(tmp_path / "trace.dat")
    _run("trace-cmd", "extract", "-B", instance.name, "-o", data)  # removes the instance
    table, decoder = _decoded(_run("trace-cmd", "report", *options, data))
    assert decoder.info.format == "trace-cmd"
    assert decoder.diagnostics.sound
    assert [dev for _, dev in _sent(table)] == ["lo"] * len(COMMS)
    assert "skb:kfree_skb" in table.texts("event")
