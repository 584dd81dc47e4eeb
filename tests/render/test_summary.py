from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from perfpath.diagnostics import Diagnostics
from perfpath.errors import UsageError
from perfpath.readers.recording import Info
from perfpath.render import open_output
from perfpath.render.quantities import duration, seconds
from perfpath.render.summary import Tally, lines

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.render.conftest import Story


def said(story: Story, diagnostics: Diagnostics | None = None, seen: int | None = None) -> list[str]:
    tally = Tally()
    tally.add(story.result())
    return [line.text for line in lines(tally, diagnostics or Diagnostics(), seen)]


def test_the_line_of_a_good_result(bridge_ping: Story) -> None:
    assert said(bridge_ping) == ["6 packets, 18 hops, 2 distinct paths, lost: 0, all located"]


def test_a_filter_says_how_many_of_how_many(bridge_ping: Story) -> None:
    assert said(bridge_ping, seen=375_000)[0].startswith("6 of 375,000 packets, ")


def test_every_packet_stands_in_one_of_the_ends(ends: Story) -> None:
    assert said(ends)[1] == (
        "what became of them: delivered 2, answered 1, left 1, copied 1, merged 1, dropped 1, "
        "dropped as on healthy hosts too 1, ends not seen 1"
    )


def test_nothing_seen(story: Story) -> None:
    assert said(story) == ["0 packets, 0 hops, 0 distinct paths, lost: 0"]


def test_what_is_doubtful_is_named(doubtful: Story) -> None:
    assert said(doubtful)[0].endswith("lost: 0, not located: 2 hops (eth0), incomplete: 1 packet")


def test_many_devices_without_a_place(story: Story) -> None:
    for number in range(6):
        story.packet(f"tx eth{number} ? {number}")
    assert "not located: 6 hops (eth0, eth1, eth2 and 3 other devices)" in said(story)[0]


def test_losses_by_cpu(story: Story) -> None:
    diagnostics = Diagnostics()
    diagnostics.lose(20, cpu=1)
    diagnostics.lose(1000, cpu=0)
    diagnostics.lose(6, cpu=1)
    diagnostics.lose(3)
    first, second = said(story, diagnostics)
    assert "lost: 1,029" in first
    assert "(cpu ?: 3, cpu 0: 1,000, cpu 1: 26)" in second
    diagnostics.lose(0)
    assert "lost: at least 1,029" in said(story, diagnostics)[0]


def test_notes_once_each_with_examples_and_advice(story: Story) -> None:
    diagnostics = Diagnostics()
    for number in range(5):
        diagnostics.note(
            "nameless", "a line has no name", severity="error", example=f"{number}: \x1b[2J", advice="record again"
        )
    diagnostics.note("fine", "a remark", severity="info")
    assert said(story, diagnostics)[1:] == [
        "error: a line has no name (5 times)",
        "    such as: 0: \\x1b[2J",
        "    such as: 1: \\x1b[2J",
        "    such as: 2: \\x1b[2J",
        "    record again",
        "info: a remark",
    ]


def test_the_table_of_paths(story: Story, shown: Callable[..., str]) -> None:
    for number, span in enumerate((10, 30, 20)):
        story.packet(f"tx veth0 host {number * 1000}", f"rx eth0 web {number * 1000 + span}", role="request")
    story.packet("tx lo host 9000", "rx lo host 9001")
    assert shown("summary", story).splitlines() == [
        "packets     role      min   median      max  path",
        "      3  request  10.0 us  20.0 us  30.0 us  [host] veth0 > [web] eth0",
        "      1        -  1.00 us  1.00 us  1.00 us  [host] lo",
        "",
        "4 packets, 8 hops, 2 distinct paths, lost: 0, all located",
    ]


def test_paths_are_counted_over_batches_that_number_them_anew(story: Story) -> None:
    story.packet("tx lo host 0").packet("tx eth0 host 1").packet("tx eth0 host 2")
    tally = Tally()
    for number in range(3):
        batch = story.result(number, number + 1)
        batch.journeys.columns["path"][:] = 0
        tally.add(batch)
    assert [path.packets for path in tally.paths.common()] == [2, 1]


def test_where_the_summary_goes(bridge_ping: Story, capsys: pytest.CaptureFixture[str]) -> None:
    for format_ in ("plain", "jsonl", "json", "csv", "tree", "table", "summary"):
        stream, notes = io.StringIO(), io.StringIO()
        for elsewhere in (None, notes):
            output = open_output(format_, stream, info=Info("x"), notes=elsewhere)
            output.result(bridge_ping.result())
            output.finish(Diagnostics())
            assert ("distinct paths" in stream.getvalue()) == (format_ in ("tree", "table", "summary"))
        assert notes.getvalue() == "6 packets, 18 hops, 2 distinct paths, lost: 0, all located\n"
        expected = "" if format_ in ("tree", "table", "summary") else notes.getvalue()
        assert capsys.readouterr().err == expected


def test_an_unknown_format() -> None:
    with pytest.raises(UsageError, match="'yaml'"):
        open_output("yaml", io.StringIO(), info=Info("x"))


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0 ns"),
        (999, "999 ns"),
        (1000, "1.00 us"),
        (9_999, "10.0 us"),
        (99_990, "100 us"),
        (999_999, "1.00 ms"),
        (1_000_000, "1.00 ms"),
        (-1500, "-1.50 us"),
        (75_300_000_000, "75.3 s"),
        (4_000_000_000_000, "4000 s"),
    ],
)
def test_durations(ns: int, text: str) -> None:
    assert duration(ns) == text


def test_seconds_are_exact() -> None:
    assert seconds(2**63 - 1) == "+9223372036.854775 s"
    assert seconds(1_002_010_999) == "+1.002010 s"
    assert seconds(-1) == "-0.000000 s"
