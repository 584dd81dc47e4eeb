from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from perfpath.diagnostics import Diagnostics
from perfpath.journeys.tracker import Update
from perfpath.readers.recording import Info
from perfpath.render.clock import Clock
from perfpath.render.places import Namer
from perfpath.render.progress import whole
from perfpath.render.summary import Tally
from perfpath.render.table import TableWriter
from perfpath.render.tree import TreeStream
from perfpath.times import iso8601

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.render.conftest import Story

HOSTILE = [
    "[red]x[/red]",
    "[/]",
    'a"b(c) d',
    "\x1b[31mred\x1b[0m",
    "two\nlines\r",
    b"\xff\xfe".decode("utf-8", "surrogateescape"),
    "\u202eevil\u2066",
    "veth15character",
    "網路介面",
    "e\u0301te",
    ":smile:",
    "a\tb",
    "-->",
    "",
]


def colourful(story: Story, width: int = 120) -> str:
    console = Console(file=io.StringIO(), force_terminal=True, color_system="truecolor", width=width, soft_wrap=True)
    TreeStream(console, Namer(), Clock()).show(whole(story.result()))
    stream = console.file
    assert isinstance(stream, io.StringIO)
    return stream.getvalue()


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("format_", ["tree", "table", "plain", "summary", "csv"])
def test_hostile_names_are_shown_and_do_nothing(
    name: str, format_: str, story: Story, shown: Callable[..., str]
) -> None:
    story.packet("tx lo host 0", dev=name, comm=name, netns_name=name or None)
    harmless = type(story)().packet("tx lo host 0", dev="eth7", comm="eth7", netns_name="eth7")
    text, expected = shown(format_, story), shown(format_, harmless)
    assert len(text.splitlines()) == len(expected.splitlines())
    assert all(char.isprintable() or char == "\n" for char in text)
    text.encode("utf-8")
    if name.isprintable() and name:
        assert name.replace('"', '""' if format_ == "csv" else '"') in text


@pytest.mark.parametrize("name", ["[red]x[/red]", "[/]", "\x1b[31m"])
def test_markup_stays_text_where_colours_are_on(name: str, story: Story) -> None:
    text = colourful(story.packet("tx lo host 0", dev=name, comm=name, netns_name=name))
    assert plain(text).count(name.replace("\x1b", "\\x1b")) == 3


def test_columns_stay_aligned_with_wide_names(story: Story, shown: Callable[..., str]) -> None:
    from rich.cells import cell_len

    story.packet("tx 網路介面 host 0", "tx veth0 host 3", "rx eth0 web 9")
    lines = [line for line in shown("tree", story).splitlines() if "ping/2563" in line and "host" in line]
    assert len(lines) == 2
    assert len({cell_len(line[: line.index("host")]) for line in lines}) == 1


def test_a_namespace_keeps_its_colour(bridge_ping: Story) -> None:
    text = colourful(bridge_ping)
    colours = {name: set(re.findall(rf"\x1b\[([0-9;]+)m{name}\b", text)) for name in ("host", "web")}
    assert all(len(found) == 1 for found in colours.values())
    assert colours["host"] != colours["web"]


def test_narrow_terminals_get_the_details_in_a_second_line(bridge_ping: Story) -> None:
    lines = plain(colourful(bridge_ping, width=50)).splitlines()
    assert lines[1:6] == [
        "               +0.000000 s  skb 0xffff96d481988700",
        "               docker0 →        host",
        "               unique-name  ping/2563 cpu 0",
        "    +4.00 us   vetha373ab6 →    host",
        "               unique-name  ping/2563 cpu 0",
    ]


def test_narrow_terminals_get_paths_in_lines_of_their_own(bridge_ping: Story) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, color_system=None, width=60, soft_wrap=True)
    table = TableWriter(console, Namer(), Clock())
    table.show(whole(bridge_ping.result(0, 2)))
    table.end(Tally(), Diagnostics())
    stream = console.file
    assert isinstance(stream, io.StringIO)
    assert [line.rstrip() for line in stream.getvalue().splitlines()] == [
        "packet         time  hops  duration  role     peer",
        "    path",
        "     0  +0.000000 s     3   18.0 us  request     1",
        "    [host] docker0 > vetha373ab6 > [web] eth0",
        "     1  +0.000030 s     3   9.00 us  reply       0",
        "    [web] eth0 > [host] vetha373ab6 > docker0",
    ]


def test_a_limit_says_what_is_not_shown(bridge_ping: Story, shown: Callable[..., str]) -> None:
    text = shown("tree", bridge_ping, limit=2)
    assert "... and 4 more packets (12 hops): --limit 0 shows all" in text.splitlines()
    assert "packet 1 " in text
    assert "packet 2 " not in text
    assert "6 packets, 18 hops" in text
    assert "more packets" not in shown("tree", bridge_ping, limit=0)
    assert "more packets" not in shown("tree", bridge_ping, limit=6)
    table = shown("table", bridge_ping, limit=5)
    assert "... and 1 more packet (3 hops): --limit 0 shows all" in table.splitlines()
    assert "more packet" not in shown("table", bridge_ping, limit=0)


def test_wall_clock_times_where_the_recording_knows_them(bridge_ping: Story, shown: Callable[..., str]) -> None:
    info = Info("perf.data", wall_offset_ns=1_700_000_000_000_000_001, first_ns=0)
    for format_ in ("tree", "table"):
        assert re.search(
            r"2023-11-1\dT\d\d:\d\d:\d\d\.000000001[+-]", shown(format_, bridge_ping, info=info, wall=True)
        )
        assert "+0.000000 s" in shown(format_, bridge_ping, info=Info("x"), wall=True)


def test_an_incomplete_packet_says_so(doubtful: Story, shown: Callable[..., str]) -> None:
    tree = [line for line in shown("tree", doubtful).splitlines() if line.startswith("packet")]
    assert "incomplete" not in tree[0]
    assert "incomplete" in tree[1]
    assert "incomplete" in shown("table", doubtful).splitlines()[2]


def test_doubt_names_a_few_candidates(story: Story, shown: Callable[..., str]) -> None:
    story.packet("rx eth0 ?web,db 0", candidates=",".join(map(str, range(10, 517))))
    assert "could be 10, 11, 12 or 504 others" in shown("tree", story)


def test_a_stream_that_tells_later_when_its_clock_started_has_wall_clock_times() -> None:
    info = Info("perf.data (pipe)")
    clock = Clock(info, wall=True)
    info.wall_offset_ns = 10**18
    assert clock.text(5) == iso8601(5, 10**18)


def test_an_end_is_told_once_and_told_again_where_more_is_known(story: Story) -> None:
    """It may be known long after the hop was shown, when other packets came in between."""
    story.packet("tx veth0 host 0", "rx eth0 web 9").packet("tx veth1 host 1")
    stream = io.StringIO()
    tree = TreeStream(Console(file=stream, width=100), Namer(), Clock())
    nothing = whole(story.result(0, 0)).closed
    for _ in range(2):
        tree.show(Update(closed=nothing, open=story.result()))
    story.journeys[0] |= {"outcome": "delivered"}
    for _ in range(2):
        tree.show(Update(closed=nothing, open=story.result()))
    story.journeys[0] |= {"end_pid": 71, "end_comm": "ngi\x1bnx"}
    tree.show(Update(closed=story.result(), open=nothing))
    lines = [line.split() for line in stream.getvalue().splitlines() if "→" not in line and "skb" not in line]
    assert [line[:-1] if line[0] == "packet" else line[1:] for line in lines] == [
        ["packet", "0"],
        ["delivered"],
        ["delivered", "to", "ngi\\x1bnx/71"],
    ]
