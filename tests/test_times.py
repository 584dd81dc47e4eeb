"""Points in time and spans, as people write them."""

from __future__ import annotations

import time

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
        ("2023-11-14T22:13:22.000000001Z", 2_000_000_001),
        ("2023-11-15 03:43:22,5000004+05:30", 2_500_000_400),
        ("Tue, 14 Nov 2023 23:13:22.5 +0100", 2_500_000_000),
        ("Nov 14 2023 10:13:22 PM UTC", 2_000_000_000),
        ("14:13:22-08:00 14.11.2023", 2_000_000_000),
        ("20231114T221322Z", 2_000_000_000),
        ("22:13:22Z", 2_000_000_000),
        ("04:13:22+06:00", 2_000_000_000),  # the 15th there
        ("Nov 14 22:13:22 GMT", 2_000_000_000),
    ],
)
def test_moments(text: str, time_ns: int) -> None:
    assert moment(text, INFO) == time_ns


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/Los_Angeles"])
def test_times_without_a_zone_are_local(monkeypatch: pytest.MonkeyPatch, zone: str) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        shown = iso8601(2_000_000_000, INFO.wall_offset_ns or 0)
        date, clock = shown[:29].split("T")
        assert {moment(text, INFO) for text in (shown, f"{date} {clock}", clock)} == {2_000_000_000}
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_zone_that_is_not_known_is_said() -> None:
    with pytest.raises(UsageError, match="time zone"):
        moment("2023-11-14 22:13:22 XYZT", INFO)


def test_moments_that_the_recording_cannot_place() -> None:
    unknown = Info("perf script")
    for text, reason in (("+1s", "beginning"), ("-1s", "end"), ("2023-11-14 22:13", "clock"), ("noonish", "no time")):
        with pytest.raises(UsageError, match=reason):
            moment(text, unknown)


@given(st.integers(0, 2**61))
def test_iso_times_read_back(time_ns: int) -> None:
    text = iso8601(time_ns, 0)
    assert moment(text, INFO) == time_ns - (INFO.wall_offset_ns or 0)
    assert text[20:29] == f"{time_ns % 10**9:09d}"
