"""What the comment lines of `perf script --header` say of a recording."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from perfpath.readers.recording import Info


def read_comment(line: bytes, info: Info) -> None:
    """Take what one `# key : value` line says (tools/perf/util/header.c: the feat print functions)."""
    key, colon, value = line.removeprefix(b"# ").partition(b" : ")
    if not colon:
        return
    text = os.fsdecode(value.strip())
    match key.strip():
        case b"hostname":
            info.hostname = text
        case b"os release":
            info.kernel = text
        case b"perf version":
            info.perf_version = text
        case b"arch":
            info.arch = text
        case b"cmdline":
            info.command = _words(text)


def _words(text: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(text))
    except ValueError:  # perf doesn't quote
        return tuple(text.split())
