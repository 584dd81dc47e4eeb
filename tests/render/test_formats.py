"""The article's lines and the CSV sheet."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from perfpath.diagnostics import Diagnostics
from perfpath.journeys.tracker import Result
from perfpath.readers.recording import Info
from perfpath.render import jsonl, open_output
from perfpath.render.places import Namer
from perfpath.render.plain import lines
from perfpath.tables import Table

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.render.conftest import Story


def test_the_articles_lines(story: Story) -> None:
    hops = ("tx docker0 host 0", "tx vetha373ab6 host 1", "rx eth0 web 2")
    story.packet(*hops, role="request", peer=1)
    story.packet("tx eth0 web 3", "rx vetha373ab6 host 4", "rx docker0 host 5", role="reply", peer=0)
    article = """\
[  4026531957]          docker0 request #17146.001 172.17.0.1 -> 172.17.0.2
[  4026531957]      vetha373ab6 request #17146.001 172.17.0.1 -> 172.17.0.2
[  4026532258]             eth0 request #17146.001 172.17.0.1 -> 172.17.0.2
[  4026532258]             eth0   reply #17146.001 172.17.0.2 -> 172.17.0.1
[  4026531957]      vetha373ab6   reply #17146.001 172.17.0.2 -> 172.17.0.1
[  4026531957]          docker0   reply #17146.001 172.17.0.2 -> 172.17.0.1"""
    assert lines(story.result()) == [line[: line.index(" #")] for line in article.splitlines()]


def test_lines_come_in_time_order_and_end_without_spaces(story: Story) -> None:
    story.packet("tx a host 0", "rx b ? 10").packet("tx c web 5")
    assert [line.split("]")[1] for line in lines(story.result())] == [f"{name:>17}" for name in "acb"]
    assert lines(story.result())[2] == f"[           ?] {'b':>16}"


def test_a_namespace_known_by_name_only(story: Story) -> None:
    story.packet("tx a ? 0", netns_name="ns-1", evidence="inferred")
    assert lines(story.result()) == [f"[        ns-1] {'a':>16}"]


def test_the_sheet_reads_back(bridge_ping: Story, doubtful: Story, shown: Callable[..., str]) -> None:
    text = shown("csv", bridge_ping, notes=io.StringIO())
    frame = pd.read_csv(io.StringIO(text))
    result = bridge_ping.result()
    for column in ("journey", "hop", "time_ns", "delta_ns", "netns", "len", "cpu", "pid"):
        assert frame[column].tolist() == result.hops[column].tolist()
    assert [int(text, 16) for text in frame["skbaddr"]] == result.hops["skbaddr"].tolist()
    assert frame["dev"].tolist() == result.hops.texts("dev")
    assert frame["role"].tolist() == ["request"] * 3 + ["reply"] * 3 + frame["role"].tolist()[:6] * 2
    rows = list(csv.DictReader(io.StringIO(shown("csv", doubtful, notes=io.StringIO()))))
    assert (rows[1]["netns"], rows[1]["candidates"]) == ("", "4026532258,4026532300")
    assert [row["complete"] for row in rows] == ["true"] * 3 + ["false"] * 2


def test_the_sheet_quotes(story: Story, shown: Callable[..., str]) -> None:
    story.packet("tx lo host 0", dev='a,"b"\n', comm="x")
    (row,) = csv.DictReader(io.StringIO(shown("csv", story, notes=io.StringIO())))
    assert row["dev"] == 'a,"b"\\x0a'


WRAPPED = [
    {"kind": "vlan", "id": 5},
    {"kind": "vxlan", "id": 42, "src": "192.0.2.1", "dst": "192.0.2.2", "sport": 50000, "dport": 4789},
]


def wrapped(story: Story) -> Story:
    """A packet around which there is more on one of its hops."""
    story.packet("tx vx0 host 0", "tx eth0 host 4", "rx eth0 web 9")
    story.hops[1]["outer"] = json.dumps(WRAPPED)
    return story


def with_outer(story: Story) -> Result:
    """Its result with the optional column."""
    result = story.result()
    known = story.names["outer"]
    codes = [-1 if hop.get("outer") is None else known.code(hop["outer"]) for hop in story.hops]
    return Result(Table({**result.hops.columns, "outer": np.array(codes, np.int32)}, story.names), result.journeys)


@pytest.mark.parametrize(
    ("format_", "line", "shown"),
    [
        ("tree", 2, "vlan 5 | vxlan 42 192.0.2.1 -> 192.0.2.2  ping/2563"),
        ("table", 1, "in vlan 5 | vxlan 42 192.0.2.1 -> 192.0.2.2  "),
        ("csv", 2, ",vlan 5 | vxlan 42 192.0.2.1 -> 192.0.2.2"),
    ],
)
def test_what_is_around_a_packet_is_shown_at_its_hop(story: Story, format_: str, line: int, shown: str) -> None:
    stream = io.StringIO()
    output = open_output(format_, stream, info=Info("perf.data"), notes=stream, width=200)
    output.result(with_outer(wrapped(story)))
    output.finish(Diagnostics())
    lines = stream.getvalue().splitlines()
    assert shown in lines[line]
    assert [shown in each for each in lines].count(True) == 1


def test_jsonl_has_it_where_there_is_some(story: Story) -> None:
    (text,) = jsonl.chunks(with_outer(wrapped(story)), Namer())
    assert [hop.get("outer") for hop in json.loads(text)["hops"]] == [None, WRAPPED, None]
