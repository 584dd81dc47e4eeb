"""Imports run one way: a room knows only the rooms before it, and the shared furniture."""

from __future__ import annotations

import ast
from pathlib import Path

import perfpath

ROOT = Path(perfpath.__file__).parent
FURNITURE = {"schema", "catalogue", "symbols", "tables", "tracepoints", "diagnostics", "errors", "escape", "times"}
FURNITURE |= {"perfpath", "firstbytes"}
MAY_IMPORT = {
    "capture": FURNITURE,
    "readers": FURNITURE,
    "netns": FURNITURE,
    "packets": FURNITURE,
    "journeys": FURNITURE | {"netns", "packets"},
    "render": FURNITURE | {"readers", "netns", "packets", "journeys"},
}
"""Room -> what else it may import; `commands`, `lessons` and the top level wire all rooms together."""


def rooms_imported_by(file: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file}: relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        found |= {name.split(".")[1] for name in names if name.startswith("perfpath.")}
    return found


def test_rooms_import_only_from_rooms_before_them() -> None:
    wrong = {
        f"{file.relative_to(ROOT)} imports {sorted(extra)}"
        for room, allowed in MAY_IMPORT.items()
        for file in (ROOT / room).rglob("*.py")
        if (extra := rooms_imported_by(file) - allowed - {room, "__version__"})
    }
    assert not wrong


def test_no_program_of_bpf_and_no_shell() -> None:
    forbidden = ("bpftrace", "libbpf", "import bcc", "shell=True", "os.system(")
    wrong = {
        f"{file.relative_to(ROOT)}: {word}"
        for file in ROOT.rglob("*.py")
        for word in forbidden
        if word in file.read_text(encoding="utf-8")
    }
    assert not wrong


def test_no_room_prints() -> None:
    for room in ("capture", "readers", "netns", "packets", "journeys"):
        for file in (ROOT / room).rglob("*.py"):
            if file.name != "janitor.py":
                calls = [n for n in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(n, ast.Call)]
                assert not [n for n in calls if isinstance(n.func, ast.Name) and n.func.id == "print"], file
