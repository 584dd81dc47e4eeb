"""Two ways to the same events: perf script's text through the text reader, perf.data through the binary reader."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from perfpath.readers.source import open_recording
from perfpath.readers.text.decoder import TextDecoder
from perfpath.tables import concatenated

if TYPE_CHECKING:
    from pathlib import Path

    from perfpath.tables import Table

COLUMNS = ("time_ns", "cpu", "tid", "comm", "event", "dev", "skbaddr", "len")


def _rows(table: Table) -> list[tuple[object, ...]]:
    columns = [table.texts(name) if name in table.names else table[name].tolist() for name in COLUMNS]
    return sorted(zip(*columns, strict=True), key=repr)


@pytest.mark.perf
@pytest.mark.parametrize(
    "name",
    ["lost.data", "kernel-6.18/nft.data", "kernel-6.18/tcp.data", "perf-6.1/net-all.data", "perf-6.1/four.data"],
)
def test_both_readers_give_the_same_events(corpus: Path, name: str) -> None:
    recording = corpus / name
    command = ["perf", "script", "--ns", "--show-lost-events", "-i", str(recording)]
    decoder = TextDecoder()
    decoder.feed(subprocess.run(command, check=True, capture_output=True).stdout)
    text = decoder.close()
    source = open_recording(str(recording))
    binary = concatenated(list(source.batches()))
    assert not decoder.diagnostics.notes
    assert _rows(text) == _rows(binary)
    losses = [(loss.count, loss.cpu) for loss in decoder.diagnostics.losses]
    assert sorted(losses) == sorted((loss.count, loss.cpu) for loss in source.diagnostics.losses)
    assert len(losses) == (75 if name == "lost.data" else 0)
