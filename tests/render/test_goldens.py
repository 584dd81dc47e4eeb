"""Whole outputs at a fixed width without colour. PERFPATH_GOLDEN=write rewrites them: look at the difference."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from perfpath.diagnostics import Diagnostics

if TYPE_CHECKING:
    from collections.abc import Callable

GOLDEN = Path(__file__).parent / "golden"


def doubts() -> Diagnostics:
    diagnostics = Diagnostics()
    diagnostics.lose(75, cpu=1, start_ns=1, end_ns=2)
    diagnostics.note(
        "unknown-line", "a line was not understood", severity="error", count=2, example="12: \x1b[31mfoo", advice="?"
    )
    return diagnostics


@pytest.mark.parametrize("format_", ["tree", "table", "plain", "jsonl", "json", "csv", "summary"])
@pytest.mark.parametrize("name", ["bridge_ping", "router_chain", "doubtful", "ends"])
def test_golden(name: str, format_: str, shown: Callable[..., str], request: pytest.FixtureRequest) -> None:
    story = request.getfixturevalue(name)
    text = shown(format_, story, doubts() if name == "doubtful" else None)
    text = "".join(f"{line.rstrip()}\n" for line in text.splitlines())
    file = GOLDEN / f"{name}.{format_}.txt"
    if os.environ.get("PERFPATH_GOLDEN") == "write":
        file.write_text(text)
    assert text == file.read_text()


def test_narrow_golden(shown: Callable[..., str], bridge_ping: object) -> None:
    text = shown("tree", bridge_ping, width=30)
    file = GOLDEN / "bridge_ping.narrow.txt"
    drawing = text[text.index("\n\n") :]
    if os.environ.get("PERFPATH_GOLDEN") == "write":
        file.write_text(drawing)
    assert drawing == file.read_text()
