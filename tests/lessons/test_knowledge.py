"""What is written about tracepoints, held against the kernel at hand."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from perfpath.lessons.event import event_page
from perfpath.lessons.formats import COMMON, MEANINGS, annotated
from perfpath.lessons.knowledge import explain, tracepoints
from perfpath.lessons.samples import load
from perfpath.readers.perfdata.formats import Format, parse_format
from perfpath.tracepoints import COMPANIONS, HOP_EVENTS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def formats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Format]]:
    """The formats of this kernel's net:* and skb:* events; tracefs is mounted aside for it."""
    place = tmp_path_factory.mktemp("tracefs")
    subprocess.run(["mount", "-t", "tracefs", "none", place], check=True)
    try:
        yield {
            form.event: form
            for system in ("net", "skb")
            for file in (place / "events" / system).glob("*/format")
            for form in [parse_format(file.read_text(), system)]
        }
    finally:
        subprocess.run(["umount", place], check=True)


@pytest.mark.perf
def test_every_event_of_this_kernel_is_explained(formats: dict[str, Format]) -> None:
    assert not {name for name in formats if not explain(name).known}
    assert len(formats) > 10


@pytest.mark.perf
def test_explanations_agree_with_the_formats(formats: dict[str, Format]) -> None:
    for name, form in formats.items():
        point = explain(name)
        fields = form.by_name
        if point.direction and not point.closes:
            assert {"skbaddr", "name", "len"} <= set(fields), f"{name} is said to show a place"
        if point.closes:
            assert point.closes in formats, name
            assert explain(point.closes).direction == point.direction, name
            assert "ret" in fields or "rc" in fields, f"{name} is said to be the end of a call"
        if any("neither device nor address" in mistake for mistake in point.mistakes):
            assert not {"skbaddr", "name"} & set(fields), name
        if point.frees:
            assert "skbaddr" in fields, name


@pytest.mark.perf
def test_every_field_is_explained(formats: dict[str, Format]) -> None:
    missing = {note.name for form in formats.values() for note in annotated(form) if not note.meaning}
    assert not missing
    used = {field.name for form in formats.values() for field in form.fields}
    assert set(COMMON) <= used


def test_entries_are_whole_and_refer_to_each_other() -> None:
    for name, point in tracepoints().items():
        assert point.summary, name
        assert point.function, name
        assert point.where, name
        assert point.mistakes, name
        assert point.direction in {"tx", "rx", ""}, name
        assert not point.closes or point.closes in tracepoints(), name
        assert re.fullmatch(r"|\d+\.\d+(\.\d+)?", point.since), name
        assert not point.until or point.since, name


def test_what_the_rest_of_perfpath_knows_is_explained_alike() -> None:
    for name, event in HOP_EVENTS.items():
        assert explain(name).direction == event.direction
    assert all(explain(name).known for name in COMPANIONS)
    assert MEANINGS.keys().isdisjoint(COMMON)


FRAMES = re.compile(r"^\s*(?P<event>net:\w+): *$|^\s+[0-9a-f]+ (?P<symbol>\S+)")


@pytest.mark.perf
def test_events_fire_in_the_functions_that_are_named(tmp_path: Path) -> None:
    """perf's call stacks know: the innermost frame is the function an event fires in."""
    out = tmp_path / "perf.data"
    record = [
        "perf",
        "record",
        "-q",
        "-g",
        "--kernel-callchains",
        "-o",
        str(out),
        "-e",
        "net:*",
        "ping",
        "-c1",
        "127.0.0.1",
    ]
    subprocess.run(record, check=True, stdout=subprocess.DEVNULL)
    script = ["perf", "script", "-F", "event,ip,sym", "-i", str(out)]
    lines = subprocess.run(script, check=True, capture_output=True, text=True).stdout.splitlines()
    innermost: dict[str, set[str]] = {}
    event = ""
    for line in lines:
        match = FRAMES.match(line)
        if match and match["event"]:
            event = match["event"].removeprefix("net:")
        elif match and event:
            innermost.setdefault(event, set()).add(match["symbol"].split(".")[0])
            event = ""
    assert len(innermost) >= 6
    for name, symbols in innermost.items():
        assert symbols & set(re.findall(r"\w+", explain(name).function)), f"{name} fires in {symbols}"


def test_an_event_in_depth_shows_format_value_and_mistakes() -> None:
    page = event_page("net:napi_gro_receive_entry", load())
    text = repr(page.blocks)
    assert "C type" in text
    assert "GRO merges it" in text
    assert "napi_id=0x" in text  # filled in with a real event


def test_an_event_nobody_explained_is_shown_by_its_format() -> None:
    form = parse_format(
        "name: net_novelty\nID: 7\nformat:\n\tfield:u32 speed;\toffset:8;\tsize:4;\tsigned:0;\n\n"
        'print fmt: "speed=%u", REC->speed\n',
        "net",
    )
    page = event_page("net_novelty", load(["loopback"]), {"net_novelty": form})
    text = repr(page.blocks)
    assert "not explained here" in text
    assert "speed" in text
    assert "didn't fire" in text
