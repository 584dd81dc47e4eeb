"""Journeys of real recordings whose traffic is known."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from perfpath.diagnostics import Diagnostics
from perfpath.journeys.tracker import Result, Tracker, follow
from perfpath.readers.source import open_recording
from perfpath.tables import Table, concatenated

if TYPE_CHECKING:
    from pathlib import Path


def events_of(path: Path) -> tuple[Table, Diagnostics]:
    source = open_recording(str(path))
    return concatenated(list(source.batches())), source.diagnostics


def walks(result: Result) -> list[tuple[str | None, str]]:
    """(role, path) of each journey."""
    steps: dict[int, list[str]] = {}
    for journey, direction, dev in zip(
        result.hops["journey"].tolist(), result.hops.texts("direction"), result.hops.texts("dev"), strict=True
    ):
        steps.setdefault(journey, []).append(f"{direction} {dev}")
    return [(role, ", ".join(steps[number])) for number, role in enumerate(result.journeys.texts("role"))]


BRIDGED = "tx eth0, rx port-c, tx port-d, rx eth0"
BACK = "tx eth0, rx port-d, tx port-c, rx eth0"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("lo", [("request", "tx lo, rx lo"), ("reply", "tx lo, rx lo")]),
        ("pv", [("request", "tx fxva, rx fxvb"), ("reply", "tx fxvb, rx fxva")]),
        ("pb", [("request", BRIDGED), ("reply", BACK)]),
        ("rt", [("request", "tx fxva, rx fxvb, tx r0, rx f0"), ("reply", "tx f0, rx r0, tx fxvb, rx fxva")]),
        ("vx", [("request", "tx vx0, tx fxva, rx fxvb, rx vx0"), ("reply", "tx vx0, tx fxvb, rx fxva, rx vx0")]),
        ("nft", [(None, "tx fxva, rx fxvb")]),
        ("udp", [(None, "tx fxva, rx fxvb")] * 6),
        (
            "v6",  # neighbour discovery, then the echo
            [("request", "tx fxva, rx fxvb"), ("reply", "tx fxvb, rx fxva")] * 2,
        ),
        (
            "arp",  # a broadcast, its two copies, the answer; then the echo
            [
                (None, "tx eth0, rx port-c, rx fxbr0"),
                (None, "tx port-e, rx eth0"),
                (None, "tx port-d, rx eth0"),
                (None, BACK),
                ("request", BRIDGED),
                ("reply", BACK),
            ],
        ),
    ],
)
def test_each_scenario(corpus: Path, name: str, expected: list[tuple[str | None, str]]) -> None:
    events, diagnostics = events_of(corpus / "kernel-6.18" / f"{name}.data")
    assert walks(follow(events, None, diagnostics)) == expected


def test_what_other_events_add(corpus: Path) -> None:
    events, diagnostics = events_of(corpus / "kernel-6.18" / "vx.data")
    hops = follow(events, None, diagnostics).hops
    assert hops["queue_ns"].tolist()[:4] == [3515, 1442, -1, -1]
    assert hops["xmit_ns"].tolist()[:4] == [23376, 8443, -1, -1]  # the outer device's ends after the inner one's
    assert hops["backlog_ns"].tolist()[:4] == [-1, -1, 9084, 4427]
    assert hops["rc"].tolist()[:2] == [0, 0]


def test_tcp_has_a_reply_to_the_syn_and_to_the_fin_only(corpus: Path) -> None:
    events, diagnostics = events_of(corpus / "kernel-6.18" / "tcp.data")
    result = follow(events, None, diagnostics)
    assert Counter(result.journeys.texts("role")) == {None: 16, "request": 2, "reply": 2}
    assert result.journeys["hops"].tolist() == [2] * 20


@pytest.mark.parametrize("name", ["perf-6.1/four.data", "perf-6.1/four.script.txt", "perf-6.1/trace.libtraceevent.txt"])
def test_the_article_without_an_inventory(corpus: Path, name: str) -> None:
    events, diagnostics = events_of(corpus / name)
    result = follow(events, None, diagnostics)
    there, back = "tx docker0, tx vetha373ab6, rx eth0", "tx eth0, rx vetha373ab6, rx docker0"
    assert walks(result) == [("request", there), ("reply", back)] * (len(result.journeys) // 2)
    host, _, container, again, *_ = result.hops.texts("netns_name")
    assert {host, container} == {"ns-1", "ns-2"}
    assert container == again
    assert set(result.hops.texts("evidence")) == {"inferred"}


def test_a_million_events(corpus: Path) -> None:
    events, diagnostics = events_of(corpus / "million.zstd.data")
    result = follow(events, None, diagnostics)
    floods = result.journeys["hops"][result.journeys["end_ns"] > result.journeys["start_ns"]]
    lengths = result.hops["len"][result.hops["hop"] == 0]
    assert Counter(floods[lengths == 106].tolist()) == {2: 250_000, 4: 125_000}
    assert set(result.journeys.texts("role")) == {None}
    assert result.hops.texts("evidence").count("context") >= 375_000


def test_a_million_events_in_batches(corpus: Path) -> None:
    events, diagnostics = events_of(corpus / "million.zstd.data")
    whole = follow(events, None, diagnostics)
    tracker = Tracker(None, Diagnostics())
    seen: Counter[tuple[int, int, int]] = Counter()
    held = 0
    parts = [events.take(slice(start, start + 50_000)) for start in range(0, len(events), 50_000)]
    for update in [*map(tracker.feed, parts), None]:
        journeys = (update.closed if update else tracker.close()).journeys
        seen.update(zip(*(journeys[name].tolist() for name in ("skbaddr", "start_ns", "hops")), strict=True))
        held = max(held, len(update.open.hops) if update else 0)
    journeys = whole.journeys
    assert seen == Counter(zip(*(journeys[name].tolist() for name in ("skbaddr", "start_ns", "hops")), strict=True))
    assert held < len(events) / 2


def test_losses_make_journeys_incomplete(corpus: Path) -> None:
    events, diagnostics = events_of(corpus / "lost.data")
    assert diagnostics.losses
    result = follow(events, None, diagnostics)
    complete = result.journeys["complete"]
    assert 0 < complete.sum() < len(complete)
    assert result.journeys["complete"][[cut == "loss" for cut in result.journeys.texts("cut")]].sum() == 0
