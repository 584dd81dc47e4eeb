"""Streaming: whatever the batches, each hop comes once and in order."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from perfpath.diagnostics import Diagnostics
from perfpath.journeys.tracker import Result, Update
from perfpath.readers.recording import Info
from perfpath.render import open_output
from perfpath.render.progress import Progress, whole

if TYPE_CHECKING:
    from tests.render.conftest import Story


def updates(story: Story, moments: list[int]) -> list[Update]:
    """What a tracker would give at each moment: a journey is closed in the update after the one with its last hop."""
    found: list[Update] = []
    closed = 0
    for now in [*moments, None]:
        seen = len(story.result(until_us=now).journeys)
        ended = closed
        while ended < seen and found and now is not None and story.journeys[ended]["end_ns"] < now * 1000:
            ended += 1
        found.append(Update(story.result(closed, ended), story.result(ended, None, now)))
        closed = ended
    last = found.pop()
    return [*found, whole(Result(last.open.hops, last.open.journeys))]


def pairs(result: Result) -> list[tuple[int, int]]:
    return list(zip(result.hops["journey"].tolist(), result.hops["hop"].tolist(), strict=True))


@given(st.lists(st.integers(0, 3_000_000), max_size=8).map(sorted), st.lists(st.integers(1, 5), min_size=1, max_size=6))
@settings(deadline=None, max_examples=60)
def test_each_hop_comes_once(new_story: type[Story], moments: list[int], lengths: list[int]) -> None:
    story = new_story()
    for number, length in enumerate(lengths):
        story.packet(*(f"tx dev{hop} host {number * 400_000 + hop * 150_000}" for hop in range(length)))
    progress = Progress()
    given_hops: list[tuple[int, int]] = []
    for update in updates(story, moments):
        fresh = progress.fresh(update)
        assert pairs(fresh) == sorted(pairs(fresh))
        assert sorted({journey for journey, _ in pairs(fresh)}) == fresh.journeys["journey"].tolist()
        given_hops += pairs(fresh)
    assert sorted(given_hops) == sorted(pairs(story.result()))
    assert len(given_hops) == len(set(given_hops))


def streamed(format_: str, story: Story, moments: list[int], **options: Any) -> str:
    stream = io.StringIO()
    output = open_output(format_, stream, info=Info("perf.data (pipe)", first_ns=0), width=100, **options)
    for update in updates(story, moments):
        output.update(update)
    output.finish(Diagnostics())
    return stream.getvalue()


def test_plain_and_jsonl_say_the_same_streaming_or_whole(bridge_ping: Story) -> None:
    for format_ in ("plain", "jsonl", "csv", "summary"):
        moments = [2, 20, 33, 38, 600_000, 1_001_010, 2_002_035]
        assert streamed(format_, bridge_ping, moments, notes=io.StringIO()) == streamed(
            format_, bridge_ping, [], notes=io.StringIO()
        )


def test_interleaved_packets_get_their_header_again(story: Story) -> None:
    story.packet("tx veth0 host 0", "rx eth0 web 10", role="request", peer=1)
    story.packet("tx veth1 host 5", "rx eth0 db 15")
    lines = [line.split("  ")[0].strip() for line in streamed("tree", story, [7]).splitlines()]
    assert [line for line in lines if line.startswith("packet")] == [
        "packet 0",
        "packet 1",
        "packet 0 (continued, ended)",
        "packet 1 (continued, ended)",
    ]


def test_an_open_packet_has_no_total_yet(story: Story) -> None:
    story.packet("tx veth0 host 0", "rx eth0 web 10")
    first, *_ = streamed("tree", story, [1]).splitlines()
    assert "hop" not in first
    first, *_ = streamed("tree", story, []).splitlines()
    assert "2 hops in 10.0 us" in first


def route(dev: str) -> str:
    found = {"kind": "route", "for": "output", "table": 254, "src": None, "dst": "198.18.0.1", "dev": dev}
    return json.dumps([found | {"gateway": None, "error": None}])


def test_what_was_decided_later_is_told_later_and_once(story: Story) -> None:
    """Some decisions can only be joined when their hop has been shown: they aren't missing from a live tree."""
    story.packet("tx veth0 host 0", "rx eth0 web 10")
    story.packet("tx veth1 host 5")
    first = story.result(0, 0)
    still = [story.result(until_us=12)]
    story.hops[0]["decisions"] = route("veth0")
    still.append(story.result(until_us=12))
    stream = io.StringIO()
    output = open_output("tree", stream, info=Info("perf.data (pipe)", first_ns=0), width=100)
    for open_ in still:
        output.update(Update(first, open_))
    story.hops[2]["decisions"] = route("veth1")
    output.update(whole(story.result()))
    said = "any to 198.18.0.1, table main: dev"
    lines = [line.strip() for line in stream.getvalue().splitlines()]
    assert lines[lines.index("packet 0 (continued)") + 1] == f"about veth0 in host: route  {said} veth0"
    assert lines[lines.index("packet 1 (continued)") + 1] == f"about veth1 in host: route  {said} veth1"
    assert sum("route" in line for line in lines) == 2
