"""`perfpath export`: what the file says is what the report says, by tshark and capinfos."""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pcap
import pytest

from perfpath.cli import main

SAMPLE = Path(__file__).resolve().parent.parent / "samples" / "demo"
FIELDS = ("interface_name", "comment", "time_epoch", "len", "cap_len", "packet_flags_direction")

pytestmark = pcap.needs("tshark", "capinfos")


def shown(file: Path, *more: str) -> list[dict[str, str]]:
    """The packets as tshark shows them."""
    names = [*(f"frame.{name}" for name in FIELDS), *more]
    argv = ["tshark", "-n", "-r", str(file), "-T", "fields", "-E", "separator=\t"]
    argv += [word for name in names for word in ("-e", name)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    keys = [name.removeprefix("frame.") for name in names]
    return [dict(zip(keys, line.split("\t"), strict=True)) for line in done.stdout.splitlines()]


def journeys(capsys: pytest.CaptureFixture[str], recording: Path, *options: str) -> list[dict[str, Any]]:
    assert main(["report", "--format", "jsonl", *options, str(recording)]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def seen(found: list[dict[str, Any]]) -> list[tuple[int, str, dict[str, Any]]]:
    """(time, beginning of the comment, hop) of all hops, sorted by time."""
    hops = [
        (hop["time_ns"], f"journey {each['journey']} hop {number}; {len(each['hops'])} hops", hop)
        for each in found
        for number, hop in enumerate(each["hops"])
    ]
    return sorted(hops, key=lambda hop: hop[0])


def test_each_hop_is_a_packet_that_says_where_and_whose_it_is(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "demo.pcapng"
    assert main(["export", str(SAMPLE), "-o", str(file)]) == 0
    capsys.readouterr()
    packets = shown(file, "icmp.ident", "icmp.seq", "icmp.type")
    expected = seen(found := journeys(capsys, SAMPLE))
    assert len(packets) == len(expected) == 12
    for packet, (_, comment, hop) in zip(packets, expected, strict=True):
        assert packet["interface_name"] == f"{hop['dev']}@{hop['netns']['name']}"
        assert packet["comment"].startswith(comment)
        assert packet["comment"].endswith(f"{hop['event']} by {hop['comm']}/{hop['pid']} cpu {hop['cpu']}")
        assert packet["packet_flags_direction"] == ("0x00000002" if hop["direction"] == "tx" else "0x00000001")
        assert packet["len"] == "98"
        journey = found[int(packet["comment"].split()[1])]
        told = journey["packet"]
        assert (packet["icmp.ident"], packet["icmp.seq"]) == (str(told["icmp_id"]), str(told["icmp_seq"]))
        assert packet["icmp.type"] == ("8" if journey["role"] == "request" else "0")
        pairing = "request, answered by" if journey["role"] == "request" else "reply to"
        assert f"; {pairing} {journey['peer']}; {journey['outcome']['kind']};" in packet["comment"]


def test_times_are_wall_clock_times(tmp_path: Path) -> None:
    import perfpath

    file = tmp_path / "demo.pcapng"
    assert main(["export", str(SAMPLE), "-o", str(file)]) == 0
    trace = perfpath.read(SAMPLE)
    assert trace.info.wall_offset_ns is not None
    times = sorted((trace.hops["time_ns"] + trace.info.wall_offset_ns).tolist())
    assert [packet["time_epoch"] for packet in shown(file)] == [f"{time // 10**9}.{time % 10**9:09d}" for time in times]


def test_capinfos_finds_nothing_wrong(tmp_path: Path) -> None:
    file = tmp_path / "demo.pcapng"
    assert main(["export", str(SAMPLE), "-o", str(file)]) == 0
    done = subprocess.run(["capinfos", "-M", str(file)], capture_output=True, text=True, check=True)
    said = [line.strip() for line in done.stdout.splitlines()]
    assert "Strict time order:   True" in said
    assert "Number of interfaces in file: 3" in said
    assert said.count("Capture length = 128") == 3
    assert "Number of packets:   12" in said
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_first_hop_and_filters(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "first.pcapng"
    assert main(["export", "--hop", "first", str(SAMPLE), "-o", str(file)]) == 0
    firsts = [packet["comment"].split(";")[0] for packet in shown(file)]
    assert firsts == [f"journey {number} hop 0" for number in range(4)]
    assert main(["export", "--since", "+100ms", "--min-hops", "3", str(SAMPLE), "-o", str(file)]) == 0
    said = capsys.readouterr().err
    assert "2 of 4 packets, 6 hops" in said
    assert {packet["comment"].split(" hop")[0] for packet in shown(file)} == {"journey 2", "journey 3"}
    assert main(["export", "--dev", "nothing", str(SAMPLE), "-o", str(file)]) == 0
    assert shown(file) == []


@pytest.mark.parametrize("memory", ["1", "2M"])
def test_streaming_writes_the_same(tmp_path: Path, memory: str) -> None:
    whole, streamed = tmp_path / "whole", tmp_path / "streamed"
    assert main(["export", str(SAMPLE), "-o", str(whole)]) == 0
    assert main(["export", "--memory", memory, str(SAMPLE), "-o", str(streamed)]) == 0
    assert whole.read_bytes() == streamed.read_bytes()


def test_a_pipe_into_tshark() -> None:
    perfpath = subprocess.Popen(
        [sys.executable, "-P", "-m", "perfpath", "export", str(SAMPLE), "-o", "-"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    argv = ["tshark", "-n", "-r", "-", "-T", "fields", "-e", "frame.interface_name"]
    done = subprocess.run(argv, stdin=perfpath.stdout, capture_output=True, text=True, check=True)
    assert perfpath.stdout is not None
    perfpath.stdout.close()
    _, said = perfpath.communicate()
    assert perfpath.returncode == 0
    assert len(done.stdout.splitlines()) == 12
    assert said.startswith(b"4 packets, 12 hops")


def test_dynamic_events_begin_with_different_headers(
    capsys: pytest.CaptureFixture[str], corpus: Path, tmp_path: Path
) -> None:
    """What is received begins with the network header there: such packets are of an interface of cooked packets."""
    recording, file = corpus / "tprobe-6.12.data", tmp_path / "tprobe.pcapng"
    assert main(["export", str(recording), "-o", str(file)]) == 0
    assert "times are the recording's own clock" in capsys.readouterr().err
    packets = shown(file, "icmp.ident", "ip.src", "frame.protocols")
    expected = seen(found := journeys(capsys, recording))
    assert len(packets) == len(expected) == 6
    for packet, (time, comment, hop) in zip(packets, expected, strict=True):
        assert packet["interface_name"] == f"{hop['dev']}@{hop['netns']['inum']}"
        assert packet["comment"].startswith(comment)
        assert packet["time_epoch"] == f"{time // 10**9}.{time % 10**9:09d}"
        cooked = hop["direction"] == "rx"
        assert packet["protocols"].startswith("sll:" if cooked else "eth:")
        assert packet["len"] == str(hop["len"] + (20 if cooked else 0))
        assert packet["ip.src"] == found[int(packet["comment"].split()[1])]["packet"]["src"]
        assert packet["icmp.ident"] == str(found[0]["packet"]["icmp_id"])


def test_what_has_no_bytes_is_counted(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder, file = tmp_path / "capture", tmp_path / "out.pcapng"
    shutil.copytree(SAMPLE, folder)
    kept = (folder / "packets.pcapng").read_bytes()
    (folder / "packets.pcapng").write_bytes(kept[: len(kept) * 2 // 3])
    assert main(["export", str(folder), "-o", str(file)]) == 0
    written = len(shown(file))
    assert 0 < written < 12
    assert f"hops left out of the file: their packets' bytes are not known ({12 - written} times)" in (
        capsys.readouterr().err
    )
    assert main(["export", "--strict", str(folder), "-o", str(file)]) == 3


def test_a_recording_without_bytes_is_said_and_writes_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "out.pcapng"
    assert main(["export", str(SAMPLE / "perf.data"), "-o", str(file)]) == 4
    assert "has no packets' bytes" in capsys.readouterr().err
    assert not file.exists()
    file.write_text("somebody's")
    assert main(["export", str(SAMPLE / "perf.data"), "-o", str(file)]) == 4
    assert file.read_text() == "somebody's"
    assert [each.name for each in tmp_path.iterdir()] == ["out.pcapng"]


def test_what_is_read_is_not_written_over(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = tmp_path / "capture"
    shutil.copytree(SAMPLE, folder)
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    (tmp_path / "link").symlink_to(folder / "packets.pcapng")
    for name in ("capture/packets.pcapng", "link", "capture/perf.data"):
        assert main(["export", str(folder), "-o", str(tmp_path / name)]) == 6
        assert "is what is read" in capsys.readouterr().err
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


@pytest.mark.parametrize(("target", "problem"), [("/dev/full", "No space left"), ("missing/file", "No such file")])
def test_files_that_cannot_be_written(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, target: str, problem: str
) -> None:
    assert main(["export", str(SAMPLE), "-o", str(tmp_path / target)]) == 6
    said = capsys.readouterr().err
    assert problem in said
    assert str(tmp_path / target) in said
