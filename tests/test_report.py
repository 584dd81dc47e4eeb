"""`perfpath report` on the sample recording, and on what can't be read."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from perfpath.cli import main
from perfpath.errors import EXIT_USAGE
from perfpath.readers.perfdata import source

SAMPLE = Path(__file__).resolve().parent.parent / "samples" / "demo"


def report(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    status = main(["report", *args])
    out, err = capsys.readouterr()
    return status, out, err


def lines(capsys: pytest.CaptureFixture[str], *args: str) -> list[dict[str, Any]]:
    status, out, err = report(capsys, "--format", "jsonl", *args)
    assert status == 0, err
    return [json.loads(line) for line in out.splitlines()]


def test_the_demo_went_out_and_back_twice(capsys: pytest.CaptureFixture[str]) -> None:
    found = lines(capsys, str(SAMPLE))
    assert [journey["role"] for journey in found] == ["request", "reply"] * 2
    assert [journey["peer"] for journey in found] == [1, 0, 3, 2]
    assert all(journey["complete"] and len(journey["hops"]) == 3 for journey in found)
    names = [hop["netns"]["name"] for hop in found[0]["hops"]]
    assert names[:2] == ["host", "host"]
    assert names[2].endswith("-web")


def test_a_pipe_gives_the_same_as_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    recording = str(SAMPLE / "perf.data")
    _, from_file, _ = report(capsys, "--format", "jsonl", recording)
    done = subprocess.run(
        [sys.executable, "-P", "-m", "perfpath", "report", "--format", "jsonl", "-"],
        stdin=Path(recording).open("rb"),  # noqa: SIM115 - the child reads it
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == from_file


@pytest.mark.parametrize("memory", ["1", "2M"])
def test_streaming_gives_the_same_as_reading_whole(capsys: pytest.CaptureFixture[str], memory: str) -> None:
    whole = report(capsys, "--format", "jsonl", str(SAMPLE))
    assert report(capsys, "--format", "jsonl", "--memory", memory, str(SAMPLE)) == whole


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        (["--dev", "eth0"], 4),
        (["--dev", "nosuch"], 0),
        (["--netns", "host"], 4),
        (["--event", "net:netif_receive_skb_entry"], 2),
        (["--comm", "ping", "--min-hops", "3"], 4),
        (["--min-hops", "4"], 0),
        (["--min-len", "99"], 0),
        (["--max-len", "84"], 4),
        (["--min-latency", "1s"], 0),
        (["--min-latency", "15us"], 2),
        (["--min-latency", "18us", "--netns", "4026532246"], 1),
        (["--netns", "nosuch"], 0),
        (["--pid", "16443"], 4),
        (["--pid", "1"], 0),
        (["--skb", "0xffff888105ad7500"], 2),
        (["--skb", "ffff888105ad7100"], 2),
        (["--skb", "1"], 0),
        (["--until", "+1ms"], 2),
        (["--since", "+1ms"], 2),
        (["--since", "-1ms"], 2),
        (["--since", "2001-01-01", "--until", "2100-01-01"], 4),
    ],
)
def test_filters_choose_whole_journeys_and_say_how_many(
    capsys: pytest.CaptureFixture[str], options: list[str], kept: int
) -> None:
    status, out, err = report(capsys, "--format", "jsonl", *options, str(SAMPLE))
    assert status == 0
    found = [json.loads(line) for line in out.splitlines()]
    assert len(found) == kept
    assert all(len(journey["hops"]) == 3 for journey in found)
    assert f"{kept} of 4 packets" in err


@pytest.mark.parametrize("options", [["--since", "-1ms"], ["--until", "-1ms"], ["--since", "+1ms"]])
def test_relative_times_mean_the_same_where_it_is_read_in_pieces(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    whole = report(capsys, "--format", "jsonl", *options, str(SAMPLE))
    monkeypatch.setattr(source, "CHUNK", 96)  # so that the end isn't known when the first events are shown
    assert report(capsys, "--format", "jsonl", "--memory", "1", *options, str(SAMPLE)) == whole
    assert whole[1].count("\n") == 2


def test_a_time_before_the_end_is_refused_where_the_end_is_not_known() -> None:
    command = [sys.executable, "-m", "perfpath", "report", "--since", "-1ms", "-"]
    with (SAMPLE / "perf.data").open("rb") as stream:
        done = subprocess.run(command, stdin=stream, capture_output=True, text=True, check=False)
    assert done.returncode == EXIT_USAGE
    assert "isn't known while it is read as a stream" in done.stderr


@pytest.mark.parametrize("time", ["+1ms", "-1ms", "12.5"])
def test_of_no_events_none_is_before_any_time(capsys: pytest.CaptureFixture[str], tmp_path: Path, time: str) -> None:
    cut = tmp_path / "cut"
    cut.write_bytes((SAMPLE / "perf.data").read_bytes()[:10_000])
    status, out, err = report(capsys, "--format", "jsonl", "--since", time, str(cut))
    assert (status, out) == (0, "")
    assert "in the middle of a record" in err


def test_the_header_says_what_the_recording_is(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = report(capsys, "--header", str(SAMPLE))
    for text in ("perf.data (pipe)", "CLOCK_MONOTONIC", "net_dev_queue", "lost       0"):
        assert text in out


def test_wall_clock_times_that_are_not_known_are_said_to_be_so(
    capsys: pytest.CaptureFixture[str], corpus: Path
) -> None:
    status, out, err = report(capsys, "--wall", str(corpus / "perf-6.1/four.data"))
    assert status == 0
    assert "+0.000000 s" in out
    assert "the recording doesn't say when its clock started" in out + err
    _, out, err = report(capsys, "--wall", str(SAMPLE))
    assert "when its clock started" not in out + err


def test_wall_clock_times_are_shown_with_their_zone(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = report(capsys, "--wall", str(SAMPLE))
    assert "2026-11-2" in out


@pytest.mark.parametrize(
    ("content", "reason"), [(b"", "empty"), (b"\0\1\2\3" * 999, "binary"), (b"hello\nworld\n", "perf script")]
)
def test_what_is_no_recording_is_one_message_and_status_4(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: bytes, reason: str
) -> None:
    file = tmp_path / "file"
    file.write_bytes(content)
    status, out, err = report(capsys, str(file))
    assert (status, out) == (4, "")
    assert err.startswith("perfpath: ")
    assert err.count("\n") == 1
    assert reason in err


def test_a_missing_file_and_a_missing_topology(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert report(capsys, str(tmp_path / "nosuch"))[0] == 4
    assert report(capsys, "--topology", str(tmp_path / "nosuch"), str(SAMPLE))[0] == 7
    assert report(capsys, "--topology", str(SAMPLE / "perf.data"), str(SAMPLE))[0] == 7


def test_a_cut_recording_gives_what_is_whole_and_fails_only_when_strict(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    recording = (SAMPLE / "perf.data").read_bytes()
    cut = tmp_path / "cut"
    cut.write_bytes(recording[:-40])
    status, out, _ = report(capsys, "--format", "summary", str(cut))
    assert status == 0
    assert "error: " in out
    assert report(capsys, "--strict", "--format", "summary", str(cut))[0] == 3
    assert report(capsys, "--strict", "--format", "summary", str(SAMPLE))[0] == 0


def test_a_full_disk_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = report(capsys, "-o", "/dev/full", "--format", "jsonl", str(SAMPLE))
    assert status == 6
    assert "/dev/full" in err
    assert "No space left" in err


def test_the_python_api_gives_the_declared_columns() -> None:
    import perfpath
    from perfpath import schema

    trace = perfpath.read(SAMPLE)
    for frame, declared in (
        (trace.events, schema.EVENTS),
        (trace.hops, schema.HOPS),
        (trace.journeys, schema.JOURNEYS),
    ):
        for column in declared:
            if column.name in frame or not column.optional:
                assert str(frame[column.name].dtype) == column.dtype, column.name
    assert len(trace.hops) == 12
    assert trace.hops["netns_name"].iloc[0] == "host"  # the topology saved beside the recording is used
    assert trace.journeys["role"].astype(str).tolist() == ["request", "reply"] * 2


@pytest.mark.parametrize("size", [16, 168, 320, 624, 860])
def test_a_pipe_cut_before_its_events_are_described_says_so(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, size: int
) -> None:
    """Sizes at which a whole record ends: nothing is cut in two."""
    cut = tmp_path / "cut"
    cut.write_bytes((SAMPLE / "perf.data").read_bytes()[:size])
    status, out, _ = report(capsys, str(cut))
    assert status == 0
    assert "before perf has written which events it is of" in out
    assert report(capsys, "--strict", str(cut))[0] == 3
