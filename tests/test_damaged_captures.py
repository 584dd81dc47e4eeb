"""What stands beside a recording may be damaged: the report goes on without it, and says what is lost by it."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from perfpath.cli import main

SAMPLE = Path(__file__).resolve().parent.parent / "samples" / "demo"
FILES = ("inventory.json", "capture.json", "symbols.json", "packets.pcapng")


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SAMPLE, tmp_path / "capture"))


def report(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    status = main(["report", "--all", *args])
    out, err = capsys.readouterr()
    return status, out, err


@pytest.mark.parametrize("name", FILES)
def test_an_empty_file_is_named_too(capsys: pytest.CaptureFixture[str], capture: Path, name: str) -> None:
    (capture / name).write_bytes(b"")
    status, out, _ = report(capsys, str(capture))
    assert status == 0
    assert out.count("packet ") >= 4
    assert f"capture/{name}" in out
    assert report(capsys, "--strict", str(capture))[0] == 3


@pytest.mark.parametrize("name", FILES[:3])
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


@pytest.mark.parametrize("name", FILES[:3])
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
