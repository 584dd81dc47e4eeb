"""Real pipes, real terminals, a real full disk."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, cast

import pytest

from perfpath.diagnostics import Diagnostics
from perfpath.errors import OutputError
from perfpath.readers.recording import Info
from perfpath.render import Output, open_output
from perfpath.render.console import PIPE_WIDTH, Sink, console

if TYPE_CHECKING:
    from tests.render.conftest import Story

FORMATS = ["tree", "table", "plain", "jsonl", "json", "csv", "summary"]


@pytest.fixture(autouse=True)
def _no_wishes(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def written(story: Story, stream: io.StringIO) -> str:
    output = open_output("tree", stream, info=Info("x"))
    output.result(story.result())
    output.finish(Diagnostics())
    return stream.getvalue()


def told(output: Output, story: Story) -> None:
    output.result(story.result())
    output.finish(Diagnostics())


def on_terminal(story: Story) -> str:
    """What a terminal gets, from a real pseudo-terminal."""
    master, slave = pty.openpty()
    with os.fdopen(slave, "w", encoding="utf-8") as stream:
        output = open_output("tree", stream, info=Info("x"), notes=io.StringIO(), width=80)
        output.result(story.result())
        stream.flush()
        text = os.read(master, 2**16).decode()
    os.close(master)
    return text


def test_a_terminal_gets_colours(story: Story) -> None:
    assert "\x1b[" in on_terminal(story.packet("tx lo host 0"))


def test_no_color_means_no_escape_at_all(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in on_terminal(story.packet("tx lo host 0"))


def test_a_dumb_terminal_gets_no_colours(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    assert "\x1b" not in on_terminal(story.packet("tx lo host 0"))


def test_a_pipe_gets_no_colours_unless_forced(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    story.packet("tx lo host 0")
    assert "\x1b" not in written(story, io.StringIO())
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[" in written(story, io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in written(story, io.StringIO())


def test_the_width_of_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    assert console(Sink(io.StringIO())).width == PIPE_WIDTH
    monkeypatch.setenv("COLUMNS", "57")
    assert console(Sink(io.StringIO())).width == 57
    assert console(Sink(io.StringIO()), 33).width == 33


@pytest.mark.parametrize("format_", ["tree", "table", "summary"])
def test_nothing_is_cut_or_folded_in_a_pipe(format_: str, story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    names = [f"interface{number:02d}abc" for number in range(12)]
    story.packet(*(f"tx {name} host {number}" for number, name in enumerate(names)))
    stream = io.StringIO()
    output = open_output(format_, stream, info=Info("x"))
    output.result(story.result())
    output.finish(Diagnostics())
    for name in names:
        assert name in stream.getvalue()
    if format_ == "table":
        assert all(name in stream.getvalue().splitlines()[1] for name in names)


def test_a_stream_that_lacks_characters_gets_escapes(story: Story) -> None:
    story.packet("tx 網路 host 0")
    for format_ in FORMATS:
        raw = io.BytesIO()
        stream = io.TextIOWrapper(raw, encoding="ascii", newline="")
        output = open_output(format_, stream, info=Info("x"), notes=stream)
        output.result(story.result())
        output.finish(Diagnostics())
        stream.flush()
        assert b"\\u7db2\\u8def" in raw.getvalue()


@pytest.mark.parametrize("format_", FORMATS)
def test_a_full_disk_is_an_output_error(format_: str, bridge_ping: Story) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    with Path("/dev/full").open("w") as stream:  # its closing must not fail a second time
        output = open_output(format_, stream, info=Info("x"), notes=io.StringIO())
        with pytest.raises(OutputError, match=r"can't write to /dev/full: No space left on device"):
            told(output, bridge_ping)


@pytest.mark.parametrize("format_", FORMATS)
def test_a_reader_that_went_away_is_a_broken_pipe(format_: str, bridge_ping: Story) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stream:
        output = open_output(format_, stream, info=Info("x"), notes=io.StringIO())
        with pytest.raises(BrokenPipeError):
            told(output, bridge_ping)


def test_an_unbuffered_stream_loses_nothing_silently() -> None:
    """With PYTHONUNBUFFERED, sys.stdout drops what a short write leaves over."""
    reading, writing = os.pipe()
    stream = io.TextIOWrapper(io.FileIO(writing, "w"), encoding="utf-8", write_through=True)

    def read_a_little() -> None:
        os.read(reading, 1)
        os.close(reading)

    reader = threading.Thread(target=read_a_little)
    reader.start()
    sink = Sink(cast("TextIO", stream))
    with pytest.raises(BrokenPipeError):
        sink.write("x" * 10_000_000)
    reader.join()
    stream.close()


LIGHT = """
import sys
import threading
from perfpath.render import open_output
from perfpath.readers.recording import Info
from perfpath.diagnostics import Diagnostics
output = open_output({!r}, sys.stdout, info=Info("x"))
output.finish(Diagnostics())
print(sorted({{"rich", "pandas"}} & set(sys.modules)))
"""


@pytest.mark.parametrize(("format_", "heavy"), [("plain", []), ("jsonl", []), ("summary", []), ("tree", ["rich"])])
def test_imports_stay_light(format_: str, heavy: list[str]) -> None:
    done = subprocess.run([sys.executable, "-c", LIGHT.format(format_)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == str(heavy)
