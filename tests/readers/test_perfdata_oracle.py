"""Every event of every recording, against what `perf script` prints of it.

perf script prints a sample that perf wrote twice twice; of the corpus only million.zstd.data has such samples.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from perfpath.readers.perfdata import open_perfdata

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from perfpath.readers.perfdata import FileSource, PipeSource
    from perfpath.tables import Table

LINE = re.compile(
    r"^\s*(?P<comm>.*?)\s+(?P<pid>-?\d+)/(?P<tid>-?\d+)\s+\[(?P<cpu>\d+)\]\s+(?P<s>\d+)\.(?P<ns>\d{9}):\s+"
    r"(?P<event>[\w:-]+):\s?(?P<trace>.*)$"
)
VALUE = re.compile(r"(?:^|\s)(\w+)[=:]\s?(\S+)")
RECORDINGS = [
    "perf-6.1/four.data",
    "perf-6.1/four.zstd.data",
    "perf-6.1/four.pipe",
    "perf-6.1/net-all.data",
    "perf-6.1/ipv6-loopback.mono.data",
    "perf-6.1/flood.killed.data",
    "perf-6.1/flood.killed.pipe",
    *(f"kernel-6.18/{name}.data" for name in ("arp", "lo", "nft", "pb", "pv", "rt", "tcp", "udp", "v6", "vx")),
]
SAVED = {
    "perf-6.1/four.data": "perf-6.1/four.script.txt",
    "perf-6.1/net-all.data": "perf-6.1/net-all.script-ns.txt",
    "perf-6.12/net-all.data": "perf-6.12/net-all.script-ns.txt",
    "perf-6.12/four.data": "perf-6.12/four.script.txt",
    "perf-7.2/four.data": "perf-7.2/four.script.txt",
}
"""What other versions of perf printed of their own recordings, saved beside them."""


def printed(recording: Path) -> str:
    """What the installed perf prints of a recording."""
    if shutil.which("perf") is None:
        if "perf" in os.environ.get("PERFPATH_REQUIRE", ""):
            pytest.fail("perf is required here and not installed")
        pytest.skip("perf is not installed")
    command = ["perf", "script", "-f", "-i", str(recording), "-F", "comm,pid,tid,cpu,time,event,trace", "--ns"]
    return subprocess.run(command, capture_output=True, check=True, env={**os.environ, "PAGER": "cat"}).stdout.decode(
        "utf-8", "surrogateescape"
    )


def every_field(recording: Path) -> list[str]:
    """All fields of the events of a recording, as names of columns."""
    source = open_perfdata(recording)
    list(source.batches())
    forms = [source.format(event) for event in source.info.events]
    return [
        f"{form.perf_name}.{field.name}"
        for form in forms
        if form is not None
        for field in form.fields
        if field.kind == "number" or field.is_text
    ]


def rows(table: Table) -> Iterator[dict[str, object]]:
    """The rows as dicts, categories as text."""
    columns = {name: table.texts(name) if name in table.names else table[name].tolist() for name in table.columns}
    for row in range(len(table)):
        yield {name: values[row] for name, values in columns.items()}


def same_value(source: FileSource | PipeSource, event: str, name: str, ours: object, theirs: str) -> bool:
    """Whether perf's text of a field stands for our value of it."""
    form = source.format(event)
    assert form is not None
    if isinstance(ours, str) or ours is None:
        return (ours or "") == theirs
    assert isinstance(ours, int)
    if theirs == "(nil)":
        return ours == 0
    symbols = form.symbols.get(name)
    if symbols is not None and not re.fullmatch(r"-?(0x[0-9a-f]+|\d+)", theirs):
        return symbols.text(ours) == theirs
    number = int(theirs, 16 if theirs.startswith(("0x", "-0x")) else 10)
    return ours in {number, number - (1 << 32), number - (1 << 64)}


def compared(source: FileSource | PipeSource, table: Table, text: str) -> int:
    """Compare each event with its line; the number of fields compared."""
    lines = [match for line in text.splitlines() if (match := LINE.match(line))]
    assert len(table) == len(lines)
    fields = 0
    for row, line in zip(rows(table), lines, strict=True):
        event = str(row["event"])
        perf_name = event if ":" in event else f"net:{event}"
        expected_comm = row["comm"] if row["comm"] is not None else f":{row['tid']}"
        shown = (expected_comm, row["pid"], row["tid"], row["cpu"], row["time_ns"], perf_name)
        time_ns = int(line["s"]) * 10**9 + int(line["ns"])
        assert shown == (line["comm"], int(line["pid"]), int(line["tid"]), int(line["cpu"]), time_ns, line["event"])
        for name, value in VALUE.findall(line["trace"]):
            column = f"{perf_name}.{'name' if name == 'dev' else name}"
            if column in row:
                fields += 1
                assert same_value(source, event, name, row[column], value), (line.group(), name, row[column])
            if name in {"dev", "skbaddr", "len", "rc", "ret", "ifindex"}:
                ours = row["rc" if name == "ret" else name]
                assert str(ours) == value or ours == int(value, 0), line.group()
    return fields


@pytest.mark.parametrize("name", RECORDINGS)
def test_every_event_is_what_perf_script_prints(corpus: Path, name: str) -> None:
    fields = every_field(corpus / name)
    source = open_perfdata(corpus / name, fields=fields)
    tables = list(source.batches())
    assert sum(map(len, tables)) > 5
    if len(tables) == 1:
        assert compared(source, tables[0], printed(corpus / name)) > 10


@pytest.mark.parametrize("name", ["lost.data", "million.zstd.data"])
def test_a_big_recording_is_what_perf_script_prints(corpus: Path, name: str) -> None:
    source = open_perfdata(corpus / name)
    (table,) = source.batches()
    ours = (
        f"{comm or f':{tid}'} {pid}/{tid} [{cpu:03}] {time // 10**9}.{time % 10**9:09}: "
        f"{event} {dev} {skbaddr:#x} {size}"
        for comm, pid, tid, cpu, time, event, dev, skbaddr, size in zip(
            table.texts("comm"),
            *(table[column].tolist() for column in ("pid", "tid", "cpu", "time_ns")),
            table.texts("event"),
            table.texts("dev"),
            table["skbaddr"].tolist(),
            table["len"].tolist(),
            strict=True,
        )
    )
    theirs = re.finditer(
        r"^\s*(.*?)\s+(\d+/\d+)\s+(\[\d+\])\s+([\d.]+:)\s+net:(\w+): dev=(\S+) .*?skbaddr=(\S+) .*?len=(\d+)",
        "\n".join(dict.fromkeys(printed(corpus / name).splitlines())),  # without what perf wrote twice
        re.MULTILINE,
    )
    count = 0
    for line, match in zip(ours, theirs, strict=True):
        assert line == " ".join(match.groups())
        count += 1
    assert count > 30_000


@pytest.mark.parametrize(("name", "saved"), SAVED.items())
def test_other_versions_recordings_are_what_they_printed(corpus: Path, name: str, saved: str) -> None:
    """perf script's default columns have microseconds and only the thread; --ns was given where the name says so."""
    (table,) = open_perfdata(corpus / name).batches()
    lines = [line for line in (corpus / saved).read_text().splitlines() if line and not line.startswith("#")]
    assert len(lines) == len(table) > 10
    for row, line in zip(rows(table), lines, strict=True):
        comm, tid, cpu, time, event, trace = re.findall(
            r"^\s*(.*?)\s+(\d+(?:/\d+)?)\s+\[(\d+)\]\s+([\d.]+):\s+net:(\w+):\s?(.*)$", line
        )[0]
        digits = len(time.partition(".")[2])
        assert (comm, int(tid.split("/")[-1]), int(cpu), event) == (row["comm"], row["tid"], row["cpu"], row["event"])
        assert isinstance(row["time_ns"], int)
        shown = f"{row['time_ns'] // 10**9}.{row['time_ns'] % 10**9:09}"
        assert abs(int(shown[: len(shown) - 9 + digits].replace(".", "")) - int(time.replace(".", ""))) <= 1
        values = dict(VALUE.findall(trace))
        assert values.get("dev") == row["dev"]
        assert int(values.get("skbaddr", "0x0"), 16) == row["skbaddr"]
        assert int(values.get("len", 0)) == row["len"]


def test_perf_prints_twice_what_perf_wrote_twice(corpus: Path) -> None:
    recording = corpus / "million.zstd.data"
    lines = [line for line in printed(recording).splitlines() if LINE.match(line)]
    source = open_perfdata(recording)
    events = sum(map(len, source.batches()))
    assert len(set(lines)) == events > 1_000_000
    assert len(lines) - events == source.diagnostics.notes["duplicate-record"].count == 13
