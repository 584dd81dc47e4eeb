"""Points in time and spans, as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfpath.errors import UsageError
from perfpath.readers.recording import Info
from perfpath.times import iso8601, moment, nanoseconds

INFO = Info("perf.data", first_ns=1_000_000_000, last_ns=5_000_000_000, wall_offset_ns=1_700_000_000 * 10**9)


@given(st.integers(0, 2**62))
def test_perf_seconds_are_exact(time_ns: int) -> None:
    seconds, rest = divmod(time_ns, 10**9)
    assert nanoseconds(f"{seconds}.{rest:09d}") == time_ns


@pytest.mark.parametrize(
    ("text", "span"), [("1.5s", 1_500_000_000), ("200ms", 200_000_000), ("7us", 7000), ("2min", 120 * 10**9)]
)
def test_spans(text: str, span: int) -> None:
    assert nanoseconds(text) == span


@pytest.mark.parametrize("text", ["", "soon", "1.5 parsecs", "1e3", "--1", "٣s"])
def test_what_is_no_span_is_said(text: str) -> None:
    with pytest.raises(UsageError, match="time span"):
        nanoseconds(text)


@pytest.mark.parametrize(
    ("text", "time_ns"),
    [
        ("+1.5s", 2_500_000_000),
        ("-200ms", 4_800_000_000),
        ("4.25", 4_250_000_000),
        ("2023-11-14T22:13:22Z", 2_000_000_000),
        ("Tue, 14 Nov 2023 23:13:22.5 +0100", 2_500_000_000),
    ],
)
def test_moments(text: str, time_ns: int) -> None:
    assert moment(text, INFO) == time_ns


def test_moments_that_the_recording_cannot_place() -> None:
    unknown = Info("perf script")
    for text, reason in (("+1s", "beginning"), ("-1s", "end"), ("2023-11-14 22:13", "clock"), ("noonish", "no time")):
        with pytest.raises(UsageError, match=reason):
            moment(text, unknown)


@given(st.integers(0, 2**61))
def test_iso_times_read_back(time_ns: int) -> None:
    text = iso8601(time_ns, 0)
    assert moment(text[:19] + text[29:], INFO) == time_ns // 10**9 * 10**9 - (INFO.wall_offset_ns or 0)
    assert text[20:29] == f"{time_ns % 10**9:09d}"
