"""Packets kept as pcapng: what was written is read, and Wireshark's tools read it too."""

from __future__ import annotations

import io
import json
import subprocess
from typing import TYPE_CHECKING

import numpy as np
import packet_bytes as made
import pcap
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perfpath.diagnostics import Diagnostics
from perfpath.errors import InputError
from perfpath.packets import pcapng
from perfpath.packets.decode import decode
from perfpath.packets.headers import ETHERNET, NETWORK, Headers, packed
from perfpath.packets.pcapng import Interface
from perfpath.packets.read import Kept, read
from perfpath.packets.write import Writer

if TYPE_CHECKING:
    from pathlib import Path

TSHARK = pcap.needs("tshark", "capinfos", "editcap")

WEB = Interface("eth0", "web", 4026532258, 2)
BARE = Interface("tun0", "web", 4026532258, 3, NETWORK)
ODD = Interface("a@b\udcff\x1b[31m", "pod \u202e name", 5, 9)
TIME = 1_700_000_000_123_456_789


def written() -> bytes:
    stream = io.BytesIO()
    writer = Writer(stream)
    echo = made.ipv4(1, made.echo(8, 17146, 1))
    writer.packet(WEB, TIME, made.ethernet(0x0800, echo), direction="tx", comment="journey 0 hop 1")
    writer.packet(BARE, TIME + 1, echo, ethertype=0x0800, direction="rx", length=1500)
    writer.packet(ODD, TIME + 2, made.ethernet(0x0806, made.arp(1)), comment="line\nbreak \x1b[31m")
    writer.packet(WEB, TIME + 3, b"", length=60)
    return stream.getvalue()


def read_back(data: bytes, diagnostics: Diagnostics | None = None) -> Kept:
    return read(io.BytesIO(data), "packets.pcapng", diagnostics or Diagnostics())


def test_what_was_written_is_read() -> None:
    kept = read_back(written())
    assert kept.interfaces == [WEB, BARE, ODD]
    assert kept.interface.tolist() == [0, 1, 2, 0]
    assert kept.time_ns.tolist() == [TIME, TIME + 1, TIME + 2, TIME + 3]
    assert kept.directions == ["tx", "rx", "", ""]
    assert kept.comments == ["journey 0 hop 1", "", "line\\x0abreak \\x1b[31m", ""]
    assert kept.headers.captured.tolist() == [98, 84, 42, 0]
    assert kept.headers.length is not None
    assert kept.headers.length.tolist() == [98, 1500, 42, 60]
    outer = decode(kept.headers).outer
    assert outer["icmp_id"].tolist() == [17146, 17146, -1, -1]
    assert outer["arp_op"].tolist() == [-1, -1, 1, -1]


@TSHARK
def test_tshark_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "packets.pcapng"
    file.write_bytes(written())
    names = "frame.interface_name frame.time_epoch frame.packet_flags_direction frame.comment frame.len frame.cap_len"
    argv = ["tshark", "-n", "-r", str(file), "-T", "fields", "-E", "separator=|"]
    argv += [word for name in [*names.split(), "icmp.ident", "arp.opcode"] for word in ("-e", name)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert done.stdout.replace("\\\\", "\\").splitlines() == [  # tshark 4.4 escapes backslashes
        "eth0@web|1700000000.123456789|0x00000002|journey 0 hop 1|98|98|17146|",
        "tun0@web|1700000000.123456790|0x00000001||1520|104|17146|",
        "a@b\\xff\\x1b[31m@pod \\u202e name|1700000000.123456791||line\\x0abreak \\x1b[31m|42|42||1",
        "eth0@web|1700000000.123456792|||60|0||",
    ]


@TSHARK
def test_capinfos_finds_nothing_wrong(tmp_path: Path) -> None:
    file = tmp_path / "packets.pcapng"
    file.write_bytes(written())
    done = subprocess.run(["capinfos", "-M", str(file)], capture_output=True, text=True, check=True)
    assert not done.stderr.replace('Running as user "root" and group "root". This could be dangerous.', "").strip()
    said = dict(line.split(":", 1) for line in done.stdout.splitlines() if ":" in line)
    assert said["Number of packets"].strip() == "4"
    assert said["Number of interfaces in file"].strip() == "3"
    assert "nanoseconds" in said["File timestamp precision"]
    assert "perfpath" in said["Capture application"]


@TSHARK
def test_what_wireshark_saved_again_is_read(tmp_path: Path) -> None:
    file, again = tmp_path / "packets.pcapng", tmp_path / "again.pcapng"
    file.write_bytes(written())
    subprocess.run(["editcap", str(file), str(again)], capture_output=True, check=True)
    before, after = read_back(written()), read_back(again.read_bytes())
    assert after.interfaces == before.interfaces
    assert after.time_ns.tolist() == before.time_ns.tolist()
    assert after.directions == before.directions
    assert (after.headers.raw == before.headers.raw).all()


def test_rows_of_a_capture_are_written_and_read() -> None:
    packets = made.made(41, 200)
    framed = packed(packets)
    network = np.full(200, 14)
    cut = Headers(
        framed.raw,
        framed.captured,
        np.full(200, NETWORK, np.int8),
        np.full(200, 0x0800, np.uint16),
        network,
        framed.length,
    )
    for headers, interface in ((framed, WEB), (cut, BARE)):
        stream = io.BytesIO()
        Writer(stream).packets(headers, [interface] * 200, range(200), ["tx"] * 200, [""] * 200)
        kept = read_back(stream.getvalue())
        left, right = decode(headers).outer, decode(kept.headers).outer
        at = 14 if interface is BARE else 0
        for name in set(left.columns) - {"payload_at", "len", "inner"}:
            assert np.array_equal(left[name], right[name]), name
        known = left["payload_at"] >= 0
        assert np.array_equal(left["payload_at"][known] - at, right["payload_at"][known])


def test_a_writer_that_was_killed_loses_its_last_packet_and_says_so() -> None:
    data = written()
    ends = [0]
    while ends[-1] < len(data):
        ends.append(ends[-1] + int.from_bytes(data[ends[-1] + 4 : ends[-1] + 8], "little"))
    for cut in range(len(data)):
        diagnostics = Diagnostics()
        kept = read_back(data[:cut], diagnostics)
        assert (cut in ends) == diagnostics.sound
        whole = [end for end in ends if end <= cut]
        assert len(kept.headers) <= len(whole)
        if not diagnostics.sound:
            assert diagnostics.notes["pcapng-cut"].examples == [f"packets.pcapng: byte {whole[-1]}"]


def changed(data: bytes, kind: int, offset: int, value: bytes) -> bytes:
    """With a value at an offset of the first block of a kind."""
    at = 0
    while int.from_bytes(data[at : at + 4], "little") != kind:
        at += int.from_bytes(data[at + 4 : at + 8], "little")
    return data[: at + offset] + value + data[at + offset + len(value) :]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda data: b"\xd4\xc3\xb2\xa1" + data[4:], "not a pcapng file"),
        (lambda data: data[:8] + data[8:12][::-1] + data[12:], "little-endian"),
        (lambda data: data[:4] + b"\7\0\0\0" + data[8:], "can't be 7 bytes"),
        (lambda data: data[:4] + b"\xfc\xff\xff\x7f" + data[8:], "can't be"),
        (lambda data: data[:12] + b"\2" + data[13:], "version 2"),
        (lambda data: data[: data.index(b"eth0@web") - 2] + b"\xff\x7f" + data[data.index(b"eth0@web") :], "option 2"),
        (lambda data: changed(data, pcapng.ENHANCED, 20, b"\xff\xff\0\0"), "longer than its block"),
        (lambda data: changed(data, pcapng.ENHANCED, 8, b"\7\0\0\0"), "interface 7 wasn't declared"),
        (lambda data: changed(data, pcapng.ENHANCED, 12, b"\0\0\0\x80"), "2262"),
        (
            lambda data: data[: data.index(b"eth0@web") - 8 - 4] + b"\x65" + data[data.index(b"eth0@web") - 8 - 3 :],
            "lin",
        ),
    ],
)
def test_other_files_are_refused_with_the_place(change: object, says: str) -> None:
    with pytest.raises(InputError) as caught:
        read_back(change(written()))  # type: ignore[operator]
    assert str(caught.value).startswith("packets.pcapng: ")
    assert says in str(caught.value)


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_any_change_is_read_or_refused(data: st.DataObject) -> None:
    changed = bytearray(written())
    for place in data.draw(st.lists(st.integers(0, len(changed) - 1), min_size=1, max_size=5)):
        changed[place] = data.draw(st.integers(0, 255))
    try:
        kept = read_back(bytes(changed))
    except InputError:
        return
    decode(kept.headers)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=20), st.text(max_size=20), st.integers(0, 2**32 - 1), st.binary(max_size=40))
def test_any_name_and_any_bytes_come_back(dev: str, netns: str, inum: int, packet: bytes) -> None:
    interface = Interface(dev, netns, inum, 7, ETHERNET)
    stream = io.BytesIO()
    Writer(stream).packet(interface, 2**62, packet, comment=dev)
    kept = read_back(stream.getvalue())
    assert kept.interfaces == [interface]
    assert kept.headers.raw[0, : len(packet)].tobytes() == packet
    assert json.loads(interface.comment())["netns"] == inum
