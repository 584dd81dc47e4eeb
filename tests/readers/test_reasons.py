"""Drop reasons and locations, as the recording's own format names them; perf script is the oracle."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from perfpath.readers.perfdata import open_perfdata
from perfpath.tables import concatenated

if TYPE_CHECKING:
    from pathlib import Path

RECORDINGS = ("kernel-6.18/nft.data", "kernel-6.18/pb.data", "kernel-6.18/tcp.data", "perf-6.1/ipv6-loopback.mono.data")
LINE = re.compile(r"(\d+)\.(\d{9}):\s+skb:kfree_skb: .*location=(\S+) reason: (\S+)")


@pytest.mark.perf
@pytest.mark.parametrize("name", RECORDINGS)
def test_reasons_are_those_of_perf_script(name: str, corpus: Path) -> None:
    path = corpus / name
    text = subprocess.run(["perf", "script", "--ns", "-i", path], capture_output=True, text=True, check=True).stdout
    expected = [(int(s) * 10**9 + int(ns), reason) for s, ns, _, reason in LINE.findall(text)]
    table = concatenated(list(open_perfdata(path).batches()))
    drops = table.take(table["event"] == table.names["event"].find("skb:kfree_skb"))
    reasons = drops.texts("reason") if len(drops) else []
    assert list(zip(drops["time_ns"].tolist(), reasons, strict=True)) == expected
    assert all((text or "").startswith("0xffffffff") for text in (drops.texts("location") if len(drops) else []))


def test_a_recording_without_such_events_has_no_such_columns(corpus: Path) -> None:
    table = concatenated(list(open_perfdata(corpus / "perf-6.1/four.data").batches()))
    assert "reason" not in table
    assert "location" not in table
