"""Kernel addresses by name: perf is the oracle on the running kernel."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from perfpath import symbols
from perfpath.capture.kallsyms import Kallsyms
from perfpath.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

FRAME = re.compile(r"^\s+([0-9a-f]{16}) (\S+\+0x[0-9a-f]+) \(\[kernel\.kallsyms\]\)$", re.MULTILINE)


@pytest.mark.perf
def test_frames_have_the_names_that_perf_gives_them(tmp_path: Path) -> None:
    data = tmp_path / "perf.data"
    record = ["perf", "record", "-q", "-g", "--kernel-callchains", "-e", "net:net_dev_queue", "-o", str(data)]
    subprocess.run([*record, "ping", "-c1", "127.0.0.1"], check=True, capture_output=True)
    shown = subprocess.run(["perf", "script", "-i", data], check=True, capture_output=True, text=True).stdout
    expected = {int(address, 16): name for address, name in FRAME.findall(shown)}
    assert len(expected) > 8
    kallsyms = Kallsyms()
    assert {address: kallsyms.text(address) for address in expected} == expected


def test_made_up_symbols(tmp_path: Path) -> None:
    file = tmp_path / "kallsyms"
    file.write_text(
        "0000000000000000 A fixed_percpu_data\n"
        "ffffffff81000000 T _text\n"
        "ffffffff81000100 T first\n"
        "ffffffff81000100 T alias\n"
        "ffffffff81000180 d data\n"
        "ffffffffc0002000 t of_module\t[nf_tables]\n"
        "ffffffffc0001000 t earlier\t[veth]\n"
    )
    kallsyms = Kallsyms(file)
    assert kallsyms.text(0xFFFFFFFF81000100) == "first+0x0"
    assert kallsyms.text(0xFFFFFFFF81000190) == "first+0x90"
    assert kallsyms.text(0xFFFFFFFFC0001FFF) == "earlier+0xfff [veth]"
    assert kallsyms.text(0xFFFFFFFFC0002004) == "of_module+0x4 [nf_tables]"
    assert kallsyms.text(0xFFFFFFFFFFFFFFF0) is None
    assert kallsyms.text(0x1000) is None


def test_hidden_or_missing_symbols_name_nothing(tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    hidden.write_text("0000000000000000 T ping_rcv\n0000000000000000 T icmp_rcv\n")
    for file in (hidden, tmp_path / "none"):
        assert Kallsyms(file).text(0xFFFFFFFF81000100) is None
        assert Kallsyms(file).text(0x10) is None


def test_saved_symbols_are_read_again() -> None:
    saved = symbols.SavedSymbols({0xFFFFFFFF81000100: "first+0x0", 0x10: "\udce9vil"})
    again = symbols.from_json(symbols.to_json(saved, [0xFFFFFFFF81000100, 0x99, 0x10]).encode(), "symbols.json")
    assert again.texts == saved.texts
    assert symbols.text_of("0xffffffff81000100", again) == "first+0x0"
    assert symbols.text_of("0xffffffff81000101", again) == "0xffffffff81000101"
    assert symbols.text_of("0xnonsense", again) == "0xnonsense"
    assert symbols.text_of("ping_rcv+0xab", None) == "ping_rcv+0xab"


@pytest.mark.parametrize(
    "data", [b"", b"[]", b'{"version": 2, "symbols": {}}', b'{"version": 1, "symbols": {"x": "y"}}']
)
def test_other_files_are_refused(data: bytes) -> None:
    with pytest.raises(InputError, match=r"symbols\.json"):
        symbols.from_json(data, "symbols.json")
