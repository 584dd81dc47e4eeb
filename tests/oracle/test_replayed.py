"""Recordings of labs that need another kernel, compared with what the kernel said there: bpftrace's lines, kept."""

from __future__ import annotations

import gzip
from collections import Counter
from pathlib import Path

from oracle import Watch

from perfpath.journeys.tracker import Options, follow
from perfpath.netns.saved import from_json
from perfpath.readers.source import open_recording
from perfpath.tables import concatenated

DATA = Path(__file__).resolve().parents[1] / "data"
COUNT, FLOWS = 10, 6


def test_vlans_over_a_bridge(tmp_path: Path) -> None:
    """Two hosts, each with eth0, eth0.5 and eth0.6 (data/vlan-6.12/lab.sh), at once in both directions on all three."""
    folder = DATA / "vlan-6.12"
    recording = tmp_path / "perf.data"
    recording.write_bytes(gzip.decompress((folder / "perf.data.gz").read_bytes()))
    inventory = from_json((folder / "inventory.json").read_text())
    source = open_recording(str(recording))
    table = concatenated(list(source.batches()))
    result = follow(table, inventory, source.diagnostics, Options(monotonic=True))
    lab = {each.inum for each in inventory.namespaces if each.name in ("left", "right", "switch")}
    assert len(lab) == 3
    score = Watch(folder).score(result, lab, "eth0")
    print(f"\n{'VLANs, in a VM':>28}: {score}")  # noqa: T201
    assert (score.wrong, score.joined, score.cut, score.unseen) == (0, 0, 0, 0)
    assert score.packets == 2 * COUNT * FLOWS
    assert score.right >= 0.99 * (score.right + score.unknown)
    assert not source.diagnostics.losses
    seen = Counter(dev for dev in result.hops.texts("dev") if dev and dev.startswith("eth0."))
    assert seen == {"eth0.5": 2 * 2 * COUNT, "eth0.6": 2 * 2 * COUNT}  # sent there; no tracepoint shows the receipt
