"""Recordings to hand on: all of the events, nothing of the host."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfpath.errors import InputError
from perfpath.lessons.material import read
from perfpath.lessons.scenarios import SCENARIOS
from perfpath.lessons.slim import slim

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
BULK = (SAMPLES / "bulk" / "perf.data").read_bytes()


@pytest.mark.perf
def test_the_same_events_and_no_name_of_the_host(tmp_path: Path) -> None:
    folder = tmp_path / "raw"
    folder.mkdir()
    out = folder / "perf.data"
    with out.open("wb") as stream:
        subprocess.run(
            ["perf", "record", "-q", "-o", "-", "-e", "net:*", "--", "sh", "-c", "ping -c 1 127.0.0.1 >&2"],
            stdout=stream,
            stderr=subprocess.DEVNULL,
            check=True,
        )
    before = read(str(folder))
    assert before.info.hostname
    tids = set(before.events["tid"].tolist())
    less = slim(out.read_bytes(), tids)
    assert len(less) < len(out.read_bytes())
    assert before.info.hostname.encode() not in less.replace(
        before.info.kernel.encode() if before.info.kernel else b"", b""
    )
    assert b"libc" not in less
    (tmp_path / "less").write_bytes(less)
    after = read(str(tmp_path / "less"))
    assert after.text == before.text
    assert after.events["time_ns"].tolist() == before.events["time_ns"].tolist()
    assert after.events.texts("comm") == before.events.texts("comm")
    assert after.info.hostname is None
    assert after.info.kernel == before.info.kernel


def test_slim_twice_is_slim_once() -> None:
    tids = set(read(str(SAMPLES / "bulk")).events["tid"].tolist())
    assert slim(BULK, tids) == BULK


@given(st.integers(17, len(BULK) - 1))
def test_what_is_cut_off_is_an_input_error_or_ends_between_records(cut: int) -> None:
    with suppress(InputError):
        assert len(slim(BULK[:cut], set())) <= cut


@given(st.integers(16, len(BULK) - 1), st.integers(0, 255))
def test_a_damaged_byte_breaks_nothing_but_the_recording(at: int, value: int) -> None:
    data = BULK[:at] + bytes([value]) + BULK[at + 1 :]
    with suppress(InputError):
        assert slim(data, {1}).startswith(data[:16])


def test_no_sample_names_this_machine() -> None:
    for scenario in SCENARIOS:
        file = SAMPLES / scenario.name / "perf.data"
        assert read(str(file)).info.hostname is None, file
        assert file.stat().st_size < 100_000, file
