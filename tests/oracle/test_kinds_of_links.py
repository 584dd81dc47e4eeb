"""37 kinds of links (data/kinds-6.12): what the recording itself knows of each hop, compared with what names tell."""

from __future__ import annotations

import lzma
from collections import defaultdict
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import pytest

from perfpath.diagnostics import Diagnostics
from perfpath.journeys.tracker import Options, Result, follow
from perfpath.netns.saved import from_json
from perfpath.readers.source import open_recording
from perfpath.tables import Table, concatenated

if TYPE_CHECKING:
    from perfpath.firstbytes import FirstBytes
    from perfpath.netns.inventory import Inventory

DATA = Path(__file__).resolve().parents[1] / "data" / "kinds-6.12"
BOTH_NS = 780_110_000_000  # from then on both copies of a lab are pinged
HOPS, PLACED = 9838, 6000  # of so many hops in all, so many at least are placed by names
ECHO, TTL_AND_PROTOCOL = (0, 8, 128, 129), 9
LABS = [
    "bondab",
    "bondrr",
    "brbond",
    "brgretap",
    "brvlan",
    "dummy",
    "frag",
    "geneve",
    "gre",
    "greipip",
    "gremoved",
    "gretap",
    "ifb",
    "ifbout",
    "inredir",
    "ip6gre",
    "ipip",
    "loopveth",
    "macpass",
    "macsec",
    "macvepa",
    "macvtap",
    "mirror",
    "nat",
    "nested",
    "portvlan",
    "qinq",
    "redirect",
    "sit",
    "stick",
    "vlanbr",
    "vlanmoved",
    "vrf",
    "vxlan",
    "vxmoved",
    "wg",
    "wgmoved",
]

Echo = tuple[int | str, bytes]


@dataclass
class Recorded:
    """What was recorded. echoes: for each event the echo packet it shows, None for others."""

    events: Table
    packets: FirstBytes | None
    inventory: Inventory
    echoes: list[Echo | None]


@cache
def recorded() -> Recorded:
    with TemporaryDirectory() as folder:
        path = Path(folder, "perf.data")
        path.write_bytes(lzma.decompress((DATA / "perf.data.xz").read_bytes()))
        source = open_recording(str(path))
        events = concatenated(list(source.batches()))
    assert source.packets is not None
    first = source.packets.take(events["packet"])
    echoes = [
        echo(bytes(raw[: max(size, 0)])) for raw, size in zip(first["raw"], first["captured"].tolist(), strict=True)
    ]
    inventory = from_json(lzma.decompress((DATA / "inventory.json.xz").read_bytes()))
    return Recorded(events, source.packets, inventory, echoes)


def echo(raw: bytes) -> Echo | None:
    """(ICMP type, id and seq) of the innermost echo packet, found by its look; a later fragment is only itself."""
    found: Echo | None = None
    for at in range(len(raw) - 27):
        v4 = raw[at] == 0x45 and raw[at + TTL_AND_PROTOCOL] == 1 and raw[at + 12 : at + 14] == b"\xc6\x12"
        if v4 and raw[at + 20] in ECHO and not raw[at + 21]:
            offset = int.from_bytes(raw[at + 6 : at + 8], "big") & 0x1FFF
            found = ("fragment", raw[at + 4 : at + 8]) if offset else (raw[at + 20], raw[at + 24 : at + 28])
        v6 = raw[at] == 0x60 and raw[at + 6] == 58 and at + 48 <= len(raw)
        if v6 and raw[at + 40] in ECHO:
            found = (raw[at + 40], raw[at + 44 : at + 48])
    return found


@dataclass
class Judged:
    """Of one lab: hops right, unknown and wrong, journeys that mix echo packets, and roles that aren't so."""

    right: int = 0
    unknown: int = 0
    wrong: int = 0
    mixed: int = 0
    false_roles: int = 0


def lab_of(name: str) -> str:
    return next((lab for lab in LABS if name.startswith(lab) and len(name) == len(lab) + 2), "")


def judged(lab: str, *, both: bool, by_names: bool, tasks: bool = True) -> Judged:
    """Follow what happened in a lab. by_names: with nothing that the plain tracepoints lack."""
    known = recorded()
    spaces = {
        each.inum for each in known.inventory.namespaces if lab_of(each.name) == lab and (both or each.name[-1] == "1")
    }
    time = known.events["time_ns"]
    rows = np.flatnonzero(np.isin(known.events["netns"], list(spaces)) & ((time >= BOTH_NS) == both))
    events = known.events.take(rows)
    truth = events["netns"].tolist()
    if by_names:
        events = plain(events, tasks=tasks)
    # other labs' namespaces are known, but of their links of the same names nothing, as if they were elsewhere
    listed = [each if each.inum in spaces else replace(each, interfaces=()) for each in known.inventory.namespaces]
    options = Options(monotonic=True, packets=None if by_names else known.packets)
    result = follow(events, replace(known.inventory, namespaces=tuple(listed)), Diagnostics(), options)
    keys = zip(events["time_ns"].tolist(), events["cpu"].tolist(), strict=True)
    echoes = [known.echoes[row] for row in rows.tolist()]
    return compared(result, dict(zip(keys, zip(truth, echoes, strict=True), strict=True)))


def plain(events: Table, *, tasks: bool) -> Table:
    columns = {name: column for name, column in events.columns.items() if name != "packet"}
    nothing = np.zeros(len(events), np.uint32)
    columns |= {"netns": nothing, "ifindex": np.zeros(len(events), np.int32)}
    return Table(columns if tasks else {**columns, "task_netns": nothing}, events.names)


def compared(result: Result, truth: dict[tuple[int, int], tuple[int, Echo | None]]) -> Judged:
    found = Judged()
    echoes: dict[int, set[Echo]] = defaultdict(set)
    columns = (result.hops[name].tolist() for name in ("time_ns", "cpu", "netns", "journey"))
    for time, cpu, netns, journey in zip(*columns, strict=True):
        true, packet = truth[time, cpu]
        found.right += netns == true
        found.unknown += netns == 0
        found.wrong += netns not in (0, true)
        if packet is not None:
            echoes[journey].add(packet)
    found.mixed = sum(len(each) > 1 for each in echoes.values())
    journeys = result.journeys
    for number, role, peer in zip(
        journeys["journey"].tolist(), journeys.texts("role"), journeys["peer"].tolist(), strict=True
    ):
        if role and echoes[number]:
            kinds = (8, 128) if role == "request" else (0, 129)
            answers = not echoes[peer] or {each[1] for each in echoes[number]} == {each[1] for each in echoes[peer]}
            found.false_roles += not answers or not all(each[0] in kinds for each in echoes[number])
    return found


@pytest.mark.parametrize("lab", LABS)
def test_by_names_a_place_and_a_role_are_right_or_unknown(lab: str) -> None:
    for both in (False, True):
        for tasks in (True, False):
            found = judged(lab, both=both, by_names=True, tasks=tasks)
            assert (found.wrong, found.false_roles) == (0, 0)


@pytest.mark.parametrize("lab", LABS)
def test_as_recorded_all_is_known_and_right(lab: str) -> None:
    for both in (False, True):
        found = judged(lab, both=both, by_names=False)
        assert (found.unknown, found.wrong, found.mixed, found.false_roles) == (0, 0, 0, 0)


def test_most_is_known_by_names() -> None:
    total = [judged(lab, both=both, by_names=True) for lab in LABS for both in (False, True)]
    right, unknown = sum(each.right for each in total), sum(each.unknown for each in total)
    print(f"\n{'37 kinds, by names':>28}: right {right}  unknown {unknown}  mixed {sum(each.mixed for each in total)}")  # noqa: T201
    assert right + unknown <= HOPS
    assert right >= PLACED
