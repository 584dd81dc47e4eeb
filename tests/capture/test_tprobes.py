"""Dynamic events: BTF against bpftrace's and the kernel's own idea, leftovers told from the living."""

from __future__ import annotations

import os
import re
import struct
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfpath.capture.probe import tracefs_events
from perfpath.capture.tprobes import events
from perfpath.capture.tprobes.btf import BTF, Btf, kernel
from perfpath.errors import CaptureError

if TYPE_CHECKING:
    from pathlib import Path

needs_btf = pytest.mark.skipif(not BTF.exists(), reason="this kernel has no BTF")


def made(types: bytes, strings: bytes) -> bytes:
    return struct.pack("=HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(types), len(types), len(strings)) + types + strings


STRINGS = b"\0sk_buff\0data\0head\0flag\0"


def sk_buff() -> bytes:
    """struct sk_buff { union { struct { int head; }; }; int flag : 3; int data; } in BTF, with an int before it."""
    integer = struct.pack("=IIII", 0, 1 << 24, 4, 32)
    inner = struct.pack("=III", 0, 4 << 24 | 1, 4) + struct.pack("=III", 14, 1, 0)
    union = struct.pack("=III", 0, 5 << 24 | 1, 4) + struct.pack("=III", 0, 2, 0)
    members = [(0, 3, 32), (19, 1, 3 << 24 | 64), (9, 1, 96)]
    outer = struct.pack("=III", 1, 1 << 31 | 4 << 24 | 3, 16) + b"".join(struct.pack("=III", *m) for m in members)
    return made(integer + inner + union + outer, STRINGS)


def test_members_also_of_unnamed_unions() -> None:
    btf = Btf(sk_buff())
    assert btf.offset("sk_buff", "data") == 12
    assert btf.offset("sk_buff", "head") == 4
    assert btf.offset("sk_buff", "flag") == 8
    for structure, member in (("sk_buff", "nothing"), ("net_device", "data")):
        with pytest.raises(CaptureError):
            btf.offset(structure, member)


@given(st.integers(0, len(sk_buff())), st.integers(0, len(sk_buff()) - 1), st.binary(min_size=1, max_size=4))
def test_broken_btf_is_an_error_that_says_so(end: int, at: int, noise: bytes) -> None:
    whole = sk_buff()
    for data in (whole[:end], whole[:at] + noise + whole[at + len(noise) :]):
        try:
            Btf(data).offset("sk_buff", "data")
        except CaptureError as error:
            problem = str(error)
        else:
            problem = "none"
        assert problem


@needs_btf
def test_offsets_are_those_that_the_tracepoints_formats_have() -> None:
    """A tracepoint's record is a structure that BTF knows too; tracefs says where its fields are."""
    folder = tracefs_events()
    if folder is None:
        pytest.skip("tracefs isn't mounted, or not root")
    btf, checked = kernel(), 0
    records = {"net_dev_template": "net_dev_queue", "net_dev_xmit": "net_dev_xmit"}
    records["net_dev_rx_verbose_template"] = "netif_rx_entry"
    for record, event in records.items():
        text = (folder / "net" / event / "format").read_text()
        for name, offset in re.findall(r"field:[\w *]+?(\w+);\toffset:(\d+);\tsize:\d+;\tsigned:\d;", text):
            if not name.startswith("common_") and "__data_loc" not in name and name != "name":
                assert btf.offset(f"trace_event_raw_{record}", name) == int(offset), (record, name)
                checked += 1
    assert checked >= 15


def test_only_events_whose_owner_is_gone_are_left_over() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    started = events._started(ended.pid) or 5
    ended.wait()
    mine = events._started(os.getpid())
    assert mine > 0
    text = (
        f"t:perfpath_{ended.pid}_{started}_0123abcd/net_dev_queue net_dev_queue len=skb->len\n"
        f"t:perfpath_{os.getpid()}_{mine}_0123abcd/net_dev_queue net_dev_queue\n"
        f"t:perfpath_{os.getpid()}_{mine + 1}_0123abcd/netif_rx netif_rx\n"
        "t:perfpath_x/netif_rx netif_rx\n"
        f"t:other_{ended.pid}_{started}_0123abcd/netif_rx netif_rx\n"
        f"p:perfpath_{ended.pid}_{started}_0123abcd/netif_rx netif_rx\n"
    )
    assert events.leftovers(text) == [
        f"perfpath_{ended.pid}_{started}_0123abcd/net_dev_queue",
        f"perfpath_{os.getpid()}_{mine + 1}_0123abcd/netif_rx",
    ]


def test_cleaning_up_where_there_is_nothing_is_nothing(tmp_path: Path) -> None:
    assert events.clean(tmp_path / "missing") == []
    file = tmp_path / "dynamic_events"
    file.write_text("t:perfpath_4194305_1_0a/netif_rx netif_rx\n")
    assert events.clean(file) == ["perfpath_4194305_1_0a/netif_rx"]
    assert file.read_text().endswith("-:perfpath_4194305_1_0a/netif_rx\n")
