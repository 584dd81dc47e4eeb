"""Sightings kept as pcapng come back as they were, and Wireshark's tools read them."""

from __future__ import annotations

import io
import shutil
import subprocess
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfpath import schema
from perfpath.diagnostics import Diagnostics
from perfpath.errors import InputError
from perfpath.firstbytes import ETHERNET, NETWORK, packed
from perfpath.packets.keep import Keeper, sightings_of
from perfpath.tables import Names, Table

if TYPE_CHECKING:
    from pathlib import Path

OFFSET = 1_795_391_269_486_789_671
DEVICES = ["eth0", "docker0", "we ird\x1b[31m", "\udcff"]


def sightings(rows: list[tuple[int, int, int, int, int, bool, bytes, bool]], names: dict[str, Names]) -> Table:
    """Rows of (time, cpu, netns, ifindex, device, sent, bytes, has an Ethernet header)."""
    dev = names.setdefault("dev", Names(DEVICES))
    count = len(rows)
    raw = np.zeros((count, 128), np.uint8)
    for row, each in zip(raw, rows, strict=True):
        row[: len(each[6])] = np.frombuffer(each[6], np.uint8)
    framed = np.array([each[7] for each in rows], bool)
    size = np.array([len(each[6]) for each in rows], np.int64)
    ethertype = np.where(framed, raw[:, 12].astype(np.uint16) << 8 | raw[:, 13], 0x800)
    packet = packed(
        raw,
        size,
        layer=np.where(framed, ETHERNET, NETWORK),
        ethertype=ethertype,
        network=np.where(framed, 14, 0),
        length=size + 1000,
        vlan=np.where(size % 2, 5, -1),
    )
    return Table.filled(
        schema.SIGHTINGS,
        count,
        names,
        time_ns=np.array([each[0] for each in rows], np.int64),
        cpu=np.array([each[1] for each in rows], np.int16),
        netns=np.array([each[2] for each in rows], np.uint32),
        ifindex=np.array([each[3] for each in rows], np.int32),
        dev=np.array([dev.code(DEVICES[each[4]]) for each in rows], np.int32),
        tx=np.array([each[5] for each in rows], bool),
        len=size + 1000,
        protocol=ethertype,
    ).extended(packet=packet)


ROWS = st.lists(
    st.tuples(
        st.integers(0, 10**13),
        st.integers(-1, 300),
        st.sampled_from([4026531840, 4026532999]),
        st.integers(1, 2**31 - 1),
        st.integers(0, 3),
        st.booleans(),
        st.binary(min_size=14, max_size=128),
        st.booleans(),
    ),
    max_size=30,
)


@given(st.lists(ROWS, max_size=4))
def test_what_is_kept_comes_back(parts: list[list[tuple[int, int, int, int, int, bool, bytes, bool]]]) -> None:
    stream, names = io.BytesIO(), dict[str, Names]()
    keeper = Keeper(stream, OFFSET, lambda inum: f"net {inum}")
    for part in parts:
        keeper.write(sightings(part, names))
    stream.seek(0)
    diagnostics = Diagnostics()
    back = sightings_of(stream, "kept", diagnostics)
    assert diagnostics.sound
    everything = sightings([row for part in parts for row in part], names)

    def rows(table: Table) -> list[str]:
        columns = [table[name].tolist() for name in ("time_ns", "cpu", "netns", "ifindex", "tx", "len", "protocol")]
        packets = [(bytes(p["raw"]), *p.tolist()[1:]) for p in table["packet"]]
        return sorted(map(repr, zip(*columns, table.texts("dev"), packets, strict=True)))

    assert rows(back) == rows(everything)
    assert (np.diff(back["time_ns"]) >= 0).all()


def test_tshark_reads_it(tmp_path: Path) -> None:
    if shutil.which("tshark") is None:
        pytest.skip("tshark is not installed")
    ping = bytes.fromhex(
        "66f635c5063dba42e2db288d080045000054db960000400146edac110002ac110001000027cf00bf000183ae026b000000008984090000000000"
    )
    rows = [(1000 * n, n % 2, 4026531840, 3, 0, n % 2 == 0, ping, True) for n in range(50)]
    file = tmp_path / "kept.pcapng"
    with file.open("wb") as stream:
        Keeper(stream, OFFSET, lambda _: "web").write(sightings(rows, {}))
    fields = ["frame.interface_name", "frame.time_epoch", "frame.packet_flags_direction", "ip.src", "icmp.ident"]
    command = ["tshark", "-r", str(file), "-T", "fields", *(word for name in fields for word in ("-e", name))]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    expected = [
        f"eth0@web\t1795391269.{486789671 + 1000 * n:09d}\t0x{2 if n % 2 == 0 else 1:08x}\t172.17.0.2\t191"
        for n in range(50)
    ]
    assert [line.split(",")[0].replace("\t0x0000000", "\t0x0000000") for line in shown] == expected


def test_another_programs_file_is_refused() -> None:
    with pytest.raises(InputError, match="perfpath didn't write it"):
        sightings_of(io.BytesIO(b"\x0a\x0d\x0d\x0a" + bytes(100)), "other.pcapng", Diagnostics())
