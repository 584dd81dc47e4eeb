"""What stands beside a recording may be damaged: the recording is read all the same, and the result says what lacks."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from perfpath import read
from perfpath.cli import main
from perfpath.diagnostics import Diagnostics
from perfpath.packets.join import join
from perfpath.recorded import verdicts_of
from perfpath.tables import Names, Table

DEMO = Path(__file__).resolve().parent.parent / "samples" / "demo"
LACKS = {
    "inventory.json": "without the topology",
    "symbols.json": "have no names",
    "capture.json": "whose packets were followed",
    "verdicts.jsonl": "trace rules told is missing",
    "packets.pcapng": "bytes are missing",
}
NAMES = ("inventory.json", "capture.json", "symbols.json")
VERDICT: dict[str, Any] = {
    **dict.fromkeys(("time_ns", "netns", "id", "handle", "iif", "oif"), 1),
    **dict.fromkeys(("family", "table", "chain", "kind", "verdict"), "x"),
    **dict.fromkeys(("network", "transport"), "45"),
}


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    shutil.copytree(DEMO, tmp_path / "capture")
    return tmp_path / "capture"


@pytest.mark.parametrize("name", LACKS)
@pytest.mark.parametrize("damage", [b"\x00\xff", b"[", b"{}", b"[" * 100_000, b'{"version": 99}'])
def test_what_is_damaged_is_named_and_the_rest_shown(
    capture: Path, name: str, damage: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    (capture / name).write_bytes(damage)
    assert main(["report", "--format", "jsonl", str(capture)]) == 0
    shown = capsys.readouterr()
    assert len(shown.out.splitlines()) == 4
    assert f"error: {capture / name}" in shown.err
    assert LACKS[name] in shown.err
    assert main(["report", "--format", "jsonl", "--strict", str(capture)]) == 3


@pytest.mark.parametrize("name", ["inventory.json", "symbols.json", "packets.pcapng"])
def test_cut_anywhere_it_is_no_end_of_the_report(capture: Path, name: str) -> None:
    whole = (capture / name).read_bytes()
    for size in range(1, len(whole), max(len(whole) // 40, 1)):
        (capture / name).write_bytes(whole[:size])
        trace = read(capture)
        assert len(trace.journeys) == 4
        assert not trace.diagnostics.sound or not whole[size:].strip()


def test_a_topology_that_was_asked_for_must_be_readable(capture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (capture / "inventory.json").write_text("{")
    assert main(["report", "--topology", str(capture / "inventory.json"), str(capture)]) == 7
    assert "is not JSON" in capsys.readouterr().err


@pytest.mark.parametrize("key", VERDICT)
@pytest.mark.parametrize("value", [None, -1, 1 << 70, 0.5, True, [], {}, "xyz"])
def test_verdicts_of_other_types_are_none(tmp_path: Path, key: str, value: Any) -> None:
    told = Diagnostics()
    (tmp_path / "verdicts.jsonl").write_text(json.dumps(VERDICT | {key: value}) + "\n")
    text = value == "xyz" and key in ("family", "table", "chain", "kind", "verdict")
    assert (verdicts_of(str(tmp_path), told) == []) != text
    assert told.sound == text


def test_lengths_and_times_of_a_damaged_file_take_no_memory_and_join_nothing() -> None:
    names = {"dev": Names(["eth0"]), "event": Names(["net_dev_queue"])}
    events = Table(
        {
            "time_ns": np.array([1000, 2000]),
            "skbaddr": np.array([1, 2], np.uint64),
            "event": np.zeros(2, np.int32),
            "dev": np.zeros(2, np.int32),
            "cpu": np.zeros(2, np.int32),
            "len": np.array([98, 98], np.uint32),
        },
        names,
    )
    seen = Table(
        {
            "time_ns": np.array([1100, 2100, 1 << 62]),
            "dev": np.zeros(3, np.int32),
            "tx": np.ones(3, bool),
            "len": np.array([98, 4_000_000_000, 98], np.uint32),
            "network": np.full(3, 14, np.int32),
            "cpu": np.zeros(3, np.int32),
        },
        names,
    )
    assert join(events, seen).sighting.tolist() == [0, -1]


def report(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    status = main(["report", "--all", *args])
    out, err = capsys.readouterr()
    return status, out, err


@pytest.mark.parametrize("name", NAMES)
def test_another_version_is_not_read(capsys: pytest.CaptureFixture[str], capture: Path, name: str) -> None:
    file = capture / name
    value = json.loads(file.read_bytes())
    value["format_version" if name == "capture.json" else "version"] = 99
    file.write_text(json.dumps(value))
    status, out, _ = report(capsys, str(capture))
    assert status == 0
    assert "version 99" in out


def _mutated(value: Any, rng: random.Random) -> Any:
    """One value somewhere inside replaced by another, or taken away."""
    if not isinstance(value, dict | list) or not value or rng.random() < 0.1:
        return rng.choice([None, True, -1, 1 << 31, 1 << 32, 1 << 63, 10**30, 1.5, "", "\x1b[31m", [], {}, [[]]])
    keys: list[Any] = list(value) if isinstance(value, dict) else list(range(len(value)))
    key = rng.choice(keys)
    if rng.random() < 0.1:
        del value[key]
    else:
        value[key] = _mutated(value[key], rng)
    return value


@pytest.mark.parametrize("name", NAMES)
def test_no_wrong_value_stops_a_report(capsys: pytest.CaptureFixture[str], capture: Path, name: str) -> None:
    file, rng = capture / name, random.Random(name)
    whole = file.read_bytes()
    for _ in range(40):
        value = _mutated(json.loads(whole), rng)
        file.write_text(json.dumps(value))
        status, out, err = report(capsys, "--format", "summary", str(capture))
        assert (status, err) == (0, ""), value
        assert "4 packets" in out


def test_packets_before_the_damage_are_used(capsys: pytest.CaptureFixture[str], capture: Path) -> None:
    file = capture / "packets.pcapng"
    data = bytearray(file.read_bytes())
    data[len(data) * 3 // 4 :] = bytes(len(data) - len(data) * 3 // 4)
    file.write_bytes(data)
    _, out, _ = report(capsys, str(capture))
    assert "packets' file is damaged" in out
    assert "198.18." in out
