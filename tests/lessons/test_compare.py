"""Kernels side by side, by the formats in their recordings."""

from __future__ import annotations

from pathlib import Path

import pytest

from perfpath.lessons.compare import changes, comparison
from perfpath.lessons.material import Material, read
from perfpath.readers.perfdata.formats import Format, parse_format

SAMPLES = Path(__file__).resolve().parents[2] / "samples"


@pytest.fixture
def ours() -> Material:
    return read(str(SAMPLES / "external"))


@pytest.fixture
def theirs(tmp_path: Path) -> Material:
    """The same recording from a kernel where a field and an event have other names (of the same length)."""
    data = (SAMPLES / "external" / "perf.data").read_bytes()
    for old, new in ((b"queue_mapping", b"queue_mappong"), (b"net_dev_xmit_timeout", b"net_dev_xmit_patience")):
        data = data.replace(old, new[: len(old)])
    (tmp_path / "perf.data").write_bytes(data)
    return read(str(tmp_path / "perf.data"))


def by_event(form: Format) -> dict[str, Format]:
    return {form.event: form}


def test_recordings_of_different_kernels(ours: Material, theirs: Material) -> None:
    assert theirs.text[0] == ours.text[0]
    found = {change.event: change for change in changes(ours.formats, theirs.formats)}
    assert found["net_dev_xmit_timeout"].kind == "disappeared"
    assert found["net_dev_xmit_patienc"].kind == "appeared"
    assert found["net_dev_start_xmit"].details == ("queue_mapping is gone", "queue_mappong (u16) is new")
    assert "net_dev_queue" not in found
    text = repr(comparison([ours, theirs]).blocks)
    assert "queue_mapping is gone" in text
    assert "napi_gro_receive_entry" in text


def test_the_same_kernel_has_nothing_to_tell(ours: Material) -> None:
    assert changes(ours.formats, ours.formats) == []
    assert "the same events" in repr(comparison([ours, ours]).blocks)


def test_a_field_that_grew_and_a_new_print_fmt() -> None:
    source = (
        "name: e\nID: {id}\nformat:\n\tfield:{type} a;\toffset:{at};\tsize:{size};\tsigned:0;\n\nprint fmt: {fmt}\n"
    )
    before = parse_format(source.format(id=1, type="u16", at=8, size=2, fmt='"a=%u", REC->a'), "net")
    grown = parse_format(source.format(id=1, type="u32", at=8, size=4, fmt='"a=%u", REC->a'), "net")
    moved = parse_format(source.format(id=9, type="u16", at=16, size=2, fmt='"a=%u", REC->a'), "net")
    shown = parse_format(source.format(id=1, type="u16", at=8, size=2, fmt='"a is %u", REC->a'), "net")
    assert changes(by_event(before), by_event(grown))[0].details == ("a was u16 of 2 bytes, is u32 of 4 bytes",)
    assert changes(by_event(before), by_event(moved)) == []
    assert [change.kind for change in changes(by_event(before), by_event(shown))] == ["print fmt"]


def test_text_has_no_formats(tmp_path: Path, ours: Material) -> None:
    file = tmp_path / "trace.txt"
    file.write_text(
        "            ping  4017 [000]  3934.109496656: net:net_dev_queue: dev=lo skbaddr=0xffff888131e4d700 len=98\n"
        "            ping  4017 [000]  3934.109505639: net:netif_rx: dev=lo skbaddr=0xffff888131e4d700 len=84\n"
    )
    assert "has no formats" in repr(comparison([ours, read(str(file))]).blocks)
