"""perf's own words, as they come into a message."""

from __future__ import annotations

from perfpath.capture.words import Words


def test_what_perf_lines_up_with_tabs_is_a_space() -> None:
    words = Words()
    words.feed(b"Error:\tNo permissions to read /x\nHint:\tTry this\n")
    assert words.lines == ["Error: No permissions to read /x", "Hint: Try this"]
