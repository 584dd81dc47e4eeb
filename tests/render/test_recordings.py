"""Real recordings, whole and in pieces: every format shows the same packets and hops."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

import pytest

from perfpath.journeys.tracker import Tracker, follow
from perfpath.readers.source import open_recording
from perfpath.render import open_output
from perfpath.tables import concatenated

if TYPE_CHECKING:
    from pathlib import Path

RECORDINGS = [
    "perf-6.1/four.data",
    "perf-6.1/net-all.data",
    "perf-6.1/trace.default.txt",
    "perf-7.2/four.data",
    "kernel-6.18/tcp.data",
    "kernel-6.18/vx.data",
]


@pytest.mark.parametrize("name", RECORDINGS)
def test_all_formats_agree(name: str, corpus: Path) -> None:
    texts = {}
    for format_ in ("jsonl", "json", "csv", "plain", "tree", "table", "summary"):
        source = open_recording(str(corpus / name))
        result = follow(concatenated(list(source.batches())), None, source.diagnostics)
        stream, notes = io.StringIO(), io.StringIO()
        output = open_output(format_, stream, info=source.info, notes=notes, limit=0)
        output.result(result)
        output.finish(source.diagnostics)
        texts[format_] = stream.getvalue()
        assert notes.getvalue().startswith(f"{len(result.journeys):,} packets, {len(result.hops):,} hops, ")
    journeys = [json.loads(line) for line in texts["jsonl"].splitlines()]
    hops = [hop for journey in journeys for hop in journey["hops"]]
    assert journeys
    assert json.loads(texts["json"])["journeys"] == journeys
    rows = list(csv.DictReader(io.StringIO(texts["csv"])))
    assert [(int(row["time_ns"]), row["dev"]) for row in rows] == [(hop["time_ns"], hop["dev"]) for hop in hops]
    plain = texts["plain"].splitlines()
    assert [line.split()[2] for line in plain] == [hop["dev"] for hop in sorted(hops, key=lambda hop: hop["time_ns"])]
    tree = texts["tree"].splitlines()
    assert sum(line.startswith("packet ") for line in tree) == len(journeys)
    assert sum("→" in line for line in tree) == len(hops)
    assert len(texts["table"].splitlines()) == len(journeys) + 1
    counts = [line.split()[0].replace(",", "") for line in texts["summary"].splitlines()[1:-1]]
    assert sum(map(int, counts)) == len(journeys)


@pytest.mark.parametrize("name", [*RECORDINGS, "lost.data"])
@pytest.mark.parametrize("format_", ["plain", "jsonl", "tree"])
def test_a_stream_shows_each_hop_once(name: str, format_: str, corpus: Path) -> None:
    source = open_recording(str(corpus / name))
    events = concatenated(list(source.batches()))
    tracker = Tracker(None, source.diagnostics)
    stream = io.StringIO()
    output = open_output(format_, stream, info=source.info, notes=io.StringIO(), limit=0)
    for start in range(0, len(events), max(len(events) // 7, 1)):
        output.update(tracker.feed(events.take(slice(start, start + max(len(events) // 7, 1)))))
    output.result(tracker.close())
    hops = len(follow(events, None, source.diagnostics).hops)
    lines = stream.getvalue().splitlines()
    if format_ == "jsonl":
        assert sum(len(json.loads(line)["hops"]) for line in lines) == hops
    else:
        assert sum(format_ == "plain" or "→" in line for line in lines) == hops
