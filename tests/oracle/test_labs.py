"""Every hop of real labs, compared with the namespace the kernel itself has for it."""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
import sys
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from oracle import Score, Watch, missing

from perfpath.errors import CaptureError
from perfpath.journeys.tracker import Options, Result, follow
from perfpath.netns.enter import within
from perfpath.netns.live import take
from perfpath.netns.saved import to_json
from perfpath.netns.watch import Watcher
from perfpath.recorded import open_recording, topology_of
from perfpath.tables import concatenated

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from perfpath.capture.lab import Lab
    from perfpath.diagnostics import Diagnostics
    from perfpath.netns.inventory import Interface, Inventory

pytestmark = [
    pytest.mark.perf,
    pytest.mark.netns,
    pytest.mark.skipif(
        bool(missing()) and "oracle" not in os.environ.get("PERFPATH_REQUIRE", ""), reason=missing() or "there"
    ),
]

PERFPATH = str(Path(sys.executable).with_name("perfpath"))
Ping = tuple[str, str]  # from a namespace, to an address
COUNT = 100


def pings(flows: list[Ping], *, count: int = COUNT, interval: float = 0.004) -> None:
    """All flows at once, until all are answered."""
    running = [
        subprocess.Popen(
            [
                *(["ip", "netns", "exec", netns] if netns else []),
                *("ping", "-q", "-n", "-c", str(count), "-i", str(interval), "-W", "5", address),
            ],
            stdout=subprocess.DEVNULL,
        )
        for netns, address in flows
    ]
    assert [process.wait(60) for process in running] == [0] * len(flows)


def followed(watch: Watch, inventory: Inventory | None) -> tuple[Result, Diagnostics]:
    source = open_recording(str(watch.recording))
    table = concatenated(list(source.batches()))
    return follow(table, inventory, source.diagnostics, Options(monotonic=True)), source.diagnostics


TRIES = 5


def judged(
    name: str,
    folder: Path,
    lab: Lab,
    flows: list[Ping],
    *,
    located: float = 0.99,
    undecidable: int = 0,
    copies: int = 1,
) -> Result:
    """Record the pings, follow them, compare, and print.

    located: the share of hops that must be placed right, without looking into packets; undecidable: of how many hops
    nothing but the bytes tells.

    A hop placed wrongly and a packet cut or mixed with another fail at once. On a busy machine the oracle or perf may
    lose something, and interrupted packets leave more unknown: then the same again, up to TRIES times.
    """
    pings(flows, count=1)  # what asks for neighbours shows at all devices alike: it is over when the recording begins
    for _ in range(TRIES):
        with Watch(folder) as watch:
            pings(flows)
        inventory = take()
        result, diagnostics = followed(watch, inventory)
        (folder / "inventory.json").write_text(to_json(inventory))  # for whoever looks into a failure
        ours = {each.inum for each in inventory.namespaces if each.name.startswith(lab.prefix)}
        score = watch.score(result, ours, lab.prefix, copies)
        roles = Counter(result.journeys.texts("role"))
        print(f"\n{name:>28}: {score}  requests {roles['request']}  replies {roles['reply']}")  # noqa: T201
        assert score.wrong == 0
        assert score.cut == 0
        whole = score.packets == 2 * len(flows) * COUNT and not diagnostics.losses
        whole &= copies == 1 or not score.unseen
        assert score.joined == 0 or (copies > 1 and not whole)  # a copy that the oracle lost is missed there
        judged_without_one(watch, inventory, ours, lab)
        if whole and score.right >= located * (score.right + score.unknown - undecidable):
            judged_with_sockets(name, folder / "sockets", lab, flows, copies=copies)
            return result
    raise AssertionError(f"{name}: not once was everything seen, and {located:.0%} placed")


def judged_without_one(watch: Watch, inventory: Inventory, ours: set[int], lab: Lab) -> None:
    """The same recording where a namespace isn't listed, each in turn: more is unknown, nothing is wrong."""
    total = Score()
    for inum in ours:
        score = watch.score(followed(watch, without(inventory, inum))[0], ours, lab.prefix)
        total = Score(total.right + score.right, total.unknown + score.unknown, total.wrong + score.wrong)
    print(f"{'without one namespace':>28}: right {total.right}  unknown {total.unknown}  wrong {total.wrong}")  # noqa: T201
    assert total.wrong == 0


def without(inventory: Inventory, inum: int) -> Inventory:
    """What a look shows that misses a namespace: nobody knows where the links lead that lead there."""

    def unlinked(each: Interface) -> Interface:
        each = replace(each, peer=0, peer_netns=0) if each.peer_netns == inum else each
        return replace(each, lower_netns=0) if each.lower_netns == inum else each

    return replace(
        inventory,
        namespaces=tuple(
            replace(space, interfaces=tuple(map(unlinked, space.interfaces)))
            for space in inventory.namespaces
            if space.inum != inum
        ),
    )


def judged_with_sockets(name: str, folder: Path, lab: Lab, flows: list[Ping], *, copies: int) -> None:
    """The same lab by `perfpath record --packets socket`: nothing may be wrong, and hardly a hop unknown."""
    folder.mkdir()
    script = " & ".join(
        f"{f'ip netns exec {netns} ' if netns else ''}ping -q -n -c {COUNT} -i 0.004 -W 5 {address}"
        for netns, address in flows
    )
    for number in range(TRIES):
        capture = folder / f"capture{number}"
        argv = [PERFPATH, "record", "-a", "--packets", "socket", "-o", str(capture), "sh", "-c", f"{script} & wait"]
        with Watch(folder) as watch:
            subprocess.run(argv, check=True, capture_output=True, timeout=120)
        source = open_recording(str(capture))
        inventory = topology_of(str(capture), source.diagnostics)
        assert inventory is not None
        table = concatenated(list(source.batches()))
        result = follow(table, inventory, source.diagnostics, Options(monotonic=True, packets=source.packets))
        ours = {each.inum for each in inventory.namespaces if each.name.startswith(lab.prefix)}
        score = watch.score(result, ours, lab.prefix, copies)
        print(f"{'with packet sockets':>28}: {score}")  # noqa: T201
        assert score.wrong == 0
        whole = score.packets == 2 * len(flows) * COUNT and source.diagnostics.sound and not score.unseen
        assert (score.cut, score.joined) == (0, 0) or not whole  # the oracle has lost lines then
        if whole and score.right >= 0.99 * (score.right + score.unknown):
            return
    raise AssertionError(f"{name}, with packet sockets: not once was everything seen, and 99% placed")


def test_loopback(lab: Lab, tmp_path: Path) -> None:
    spaces = [lab.namespace("a"), lab.namespace("b"), lab.namespace("c")]
    flows = [(netns, "127.0.0.1") for netns in spaces]
    judged("loopback", tmp_path, lab, flows)


def test_five_containers_on_a_bridge(lab: Lab, tmp_path: Path) -> None:
    net = lab.subnet()
    boxes = [lab.namespace(f"c{number}") for number in range(5)]
    bridge = f"{lab.prefix}br"
    for number, box in enumerate(boxes):
        lab.veth(box, "eth0", "", f"{lab.prefix}v{number}")
        lab.address(box, "eth0", f"{net[10 + number]}/24")
    lab.bridge("", bridge, *(f"{lab.prefix}v{number}" for number in range(5)))
    lab.address("", bridge, f"{net[1]}/24")
    flows = [(boxes[0], str(net[11])), (boxes[1], str(net[10])), (boxes[2], str(net[13])), (boxes[4], str(net[1]))]
    flows += [("", str(net[12])), (boxes[3], str(net[14]))]
    judged("bridge, 5 containers", tmp_path, lab, flows)


def test_three_routers_in_a_row(lab: Lab, tmp_path: Path) -> None:
    spaces = [lab.namespace(f"r{number}") for number in range(5)]  # a host, three routers, a host
    nets = [lab.subnet() for _ in range(4)]
    for number, net in enumerate(nets):
        left = "eth0" if number == 0 else "eth1"
        lab.veth(spaces[number], left, spaces[number + 1], "eth0")
        lab.address(spaces[number], left, f"{net[1]}/24")
        lab.address(spaces[number + 1], "eth0", f"{net[2]}/24")
    for number in (1, 2, 3):
        lab.forward(spaces[number])
    for number, space in enumerate(spaces):
        for far, net in enumerate(nets):
            if far >= number + 1:
                lab.ip("route", "add", str(net), "via", str(nets[number][2]), netns=space)
            elif far < number - 1:
                lab.ip("route", "add", str(net), "via", str(nets[number - 1][1]), netns=space)
    flows = [(spaces[0], str(nets[3][2])), (spaces[4], str(nets[0][1])), (spaces[2], str(nets[0][1]))]
    flows += [(spaces[0], str(nets[1][2])), (spaces[4], str(nets[1][1]))]
    judged("three routers", tmp_path, lab, flows)


def nodes(lab: Lab) -> list[Ping]:
    """Two nodes, each with a bridge and two pods, all names alike; returns flows within and across."""
    wire = lab.subnet()
    flows: list[Ping] = []
    made = []
    for number in (0, 1):
        node = lab.namespace(f"node{number}")
        net = lab.subnet()
        pods = [lab.namespace(f"pod{number}{pod}") for pod in range(2)]
        for pod, space in enumerate(pods):
            lab.veth(space, "eth0", node, f"veth{pod}")
            lab.address(space, "eth0", f"{net[10 + pod]}/24")
            lab.ip("route", "add", "default", "via", str(net[1]), netns=space)
        lab.bridge(node, "cni0", "veth0", "veth1")
        lab.address(node, "cni0", f"{net[1]}/24")
        lab.forward(node)
        made.append((node, net, pods))
    lab.veth(made[0][0], "eth0", made[1][0], "eth0")
    for number in (0, 1):
        node, _, _ = made[number]
        lab.address(node, "eth0", f"{wire[1 + number]}/24")
        lab.ip("route", "add", str(made[1 - number][1]), "via", str(wire[2 - number]), netns=node)
    for number in (0, 1):
        _, net, pods = made[number]
        other = made[1 - number][1]
        flows += [(pods[0], str(net[11])), (pods[1], str(other[10])), (pods[0], str(other[11])), (pods[1], str(net[1]))]
    return flows


def test_two_nodes_with_pods_of_the_same_names(lab: Lab, tmp_path: Path) -> None:
    flows = nodes(lab)
    judged("two nodes, same names", tmp_path, lab, flows)


def test_vxlan_over_veth(lab: Lab, tmp_path: Path) -> None:
    left, right = lab.namespace("a"), lab.namespace("b")
    under, over = lab.subnet(), lab.subnet()
    lab.veth(left, "eth0", right, "eth0")
    for number, space in enumerate((left, right)):
        lab.address(space, "eth0", f"{under[1 + number]}/24")
        lab.ip(
            *("link", "add", "vx0", "type", "vxlan", "id", "42", "dstport", "4789", "dev", "eth0"),
            *("remote", str(under[2 - number]), "local", str(under[1 + number])),
            netns=space,
        )
        lab.up(space, "vx0")
        lab.address(space, "vx0", f"{over[1 + number]}/24")
    flows = [(left, str(over[2])), (right, str(over[1])), (left, str(under[2])), (right, str(under[1]))]
    judged("vxlan over veth", tmp_path, lab, flows)


def test_twins(lab: Lab, tmp_path: Path) -> None:
    flows = []
    for copy in range(3):
        left, right, net = lab.namespace(f"l{copy}"), lab.namespace(f"r{copy}"), lab.subnet()
        lab.veth(left, "eth0", right, "eth0")
        lab.address(left, "eth0", f"{net[1]}/24")
        lab.address(right, "eth0", f"{net[2]}/24")
        flows += [(left, str(net[2])), (right, str(net[1]))]
    judged("twins", tmp_path, lab, flows)


BORROWED = """
import os, socket, sys
home, away = os.open("/proc/self/ns/net", os.O_RDONLY), os.open(sys.argv[1], os.O_RDONLY)
import ctypes
setns = ctypes.CDLL(None, use_errno=True).setns
assert setns(away, 0) == 0
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
assert setns(home, 0) == 0
for _ in range(50): s.sendto(b"x" * 70, (sys.argv[2], 9))
"""


def test_a_socket_of_another_namespace(lab: Lab, tmp_path: Path) -> None:
    """A program goes to another namespace, opens a socket there, comes back and sends; both are wired alike."""
    spaces = []
    for copy in range(2):
        left, right, net = lab.namespace(f"l{copy}"), lab.namespace(f"r{copy}"), lab.subnet()
        lab.veth(left, "eth0", right, "eth0")
        lab.address(left, "eth0", f"{net[1]}/24")
        lab.address(right, "eth0", f"{net[2]}/24")
        spaces.append((left, str(net[2])))
    pings(spaces, count=1)
    home, (away, address) = spaces[0][0], spaces[1]
    with Watch(tmp_path) as watch:
        lab.ip("netns", "exec", home, sys.executable, "-c", BORROWED, f"/run/netns/{away}", address)
    inventory = take()
    result, _ = followed(watch, inventory)
    score = watch.score(result, {each.inum for each in inventory.namespaces if each.name.startswith(lab.prefix)}, "-")
    print(f"\n{'a socket from elsewhere':>28}: {score}")  # noqa: T201
    assert score.wrong == 0
    assert score.right + score.unknown >= 100


def test_namespaces_that_come_and_go(lab: Lab, tmp_path: Path) -> None:
    """Three containers one after the other, of the same name and wiring, ping through a bridge that stays."""
    net = lab.subnet()
    stays = lab.namespace("stays")
    bridge, port = f"{lab.prefix}br", f"{lab.prefix}v"
    lab.veth(stays, "eth0", "", f"{port}0")
    lab.address(stays, "eth0", f"{net[10]}/24")
    lab.bridge("", bridge, f"{port}0")
    inums: set[int] = set()
    with Watch(tmp_path) as watch, Watcher(take()) as watcher:
        for _ in range(3):
            box = lab.namespace("box")
            lab.veth(box, "eth0", "", f"{port}1")
            lab.address(box, "eth0", f"{net[11]}/24")
            lab.ip("link", "set", "dev", f"{port}1", "master", bridge)
            lab.up("", f"{port}1")
            version = watcher.version
            pings([(box, str(net[10])), (stays, str(net[11]))])
            inums.add(os.stat(f"/run/netns/{box}").st_ino)  # noqa: PTH116
            assert watcher.version >= version
            lab.ip("link", "delete", "dev", f"{port}1")  # a namespace alone goes away when the kernel finds the time
            lab.ip("netns", "delete", box)
    scored("namespaces come and go", watch, lab, watcher.inventory, inums)
    with_only_the_end = scored("  and only the end is known", watch, lab, take(), inums)
    assert with_only_the_end.wrong == 0


@pytest.mark.parametrize(("kind", "mode"), [("macvlan", "bridge"), ("ipvlan", "l2")])
def test_macvlan_and_ipvlan(lab: Lab, tmp_path: Path, kind: str, mode: str) -> None:
    """Two on one device, and one outside, all called eth0.

    Which of the two a frame from outside was for, its bytes alone say: the hops are the same for both. So is the answer
    to it, which shows at the one or the other and then at the device below both. Everything else can be told.
    """
    net = lab.subnet()
    host, outside = lab.namespace(f"{kind}h"), lab.namespace(f"{kind}o")
    lab.veth(host, "eth0", outside, "eth0")
    lab.address(outside, "eth0", f"{net[9]}/24")
    boxes = [lab.namespace(f"{kind}{number}") for number in range(2)]
    for number, box in enumerate(boxes):
        try:
            lab.ip("link", "add", f"x{number}", "link", "eth0", "type", kind, "mode", mode, netns=host)
        except CaptureError as error:
            pytest.skip(f"this kernel has no {kind}: {error}")
        lab.ip("link", "set", f"x{number}", "netns", box, netns=host)
        lab.ip("link", "set", f"x{number}", "name", "eth0", netns=box)
        lab.up(box, "eth0")
        lab.address(box, "eth0", f"{net[10 + number]}/24")
    flows = [(boxes[0], str(net[11])), (boxes[1], str(net[9])), (outside, str(net[10]))]
    if kind == "macvlan":
        judged(kind, tmp_path, lab, flows, undecidable=COUNT)
    else:
        judged(f"ipvlan {mode}", tmp_path, lab, flows, located=0.4)


TAP, NO_INFORMATION, ATTACH = 2, 0x1000, 0x400454CA  # IFF_TAP, IFF_NO_PI, TUNSETIFF: include/uapi/linux/if_tun.h
CABLE = """
import os, select, sys
ends = [int(word) for word in sys.argv[1:]]
while True:
    for end in select.select(ends, [], [])[0]:
        os.write(ends[1 - ends.index(end)], os.read(end, 65536))
"""


@contextmanager
def cable(lab: Lab, taps: Mapping[str, str], *, inside: str) -> Iterator[None]:
    """A tap in each of two namespaces, and a process that carries frames from the one to the other."""

    def attach(dev: str) -> int:
        end = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(end, ATTACH, struct.pack("16sH22x", dev.encode(), TAP | NO_INFORMATION))
        return end

    ends = []
    for space, dev in taps.items():
        path = f"/run/netns/{space}"
        ends.append(within(path, os.stat(path).st_ino, partial(attach, dev)))  # noqa: PTH116
        lab.up(space, dev)
    words = [sys.executable, "-c", CABLE, *map(str, ends)]
    process = subprocess.Popen(lab.command(inside, *words), pass_fds=ends)
    try:
        yield
    finally:
        process.kill()
        process.wait()
        for end in ends:
            os.close(end)


@pytest.mark.skipif(not Path("/dev/net/tun").exists(), reason="this kernel has no tun")
@pytest.mark.parametrize("inside", ["", "node0", "node1", "aside"])
@pytest.mark.parametrize("alike", [False, True])
def test_taps_with_a_process_behind_them(lab: Lab, tmp_path: Path, inside: str, alike: bool) -> None:
    """Two nodes with a bridge each, joined by a program: what it reads and what it writes are two sk_buffs.

    alike: the taps have the same name, so that nothing but its bytes tells where a packet came in: with the two nodes
    exchanged the hops are the same. Even where they have not, the hops after a tap's are unknown for a program that
    could have sent them anew by a device of its own namespace that is called the same.
    """
    net = lab.subnet()
    spaces = {name: lab.namespace(name) for name in ("node0", "node1", "pod0", "pod1", "aside")}
    taps = {spaces[f"node{number}"]: "tap0" if alike else f"{lab.prefix}t{number}" for number in (0, 1)}
    with cable(lab, taps, inside=spaces.get(inside, "")):
        for number in (0, 1):
            node, pod = spaces[f"node{number}"], spaces[f"pod{number}"]
            lab.veth(pod, "eth0", node, "veth0")
            lab.bridge(node, "br0", "veth0", taps[node])
            lab.address(pod, "eth0", f"{net[10 + number]}/24")
            lab.address(node, "br0", f"{net[1 + number]}/24")
        flows = [(spaces["pod0"], str(net[11])), (spaces["pod1"], str(net[10])), (spaces["node0"], str(net[11]))]
        flows += [(spaces["node1"], str(net[1]))]
        name = f"taps, a process in {inside or 'host'}{', alike' if alike else ''}"
        share = 0.2 if alike else 0.65 if "node" in inside else 0.97
        result = judged(name, tmp_path, lab, flows, located=share, copies=2)
    hops = result.hops
    tap = np.array([dev in taps.values() for dev in hops.texts("dev")])
    sent = np.array([direction == "tx" for direction in hops.texts("direction")])
    last = np.append(hops["journey"][1:] != hops["journey"][:-1], True)
    print(f"{'':>28}  tap tx {np.count_nonzero(tap & sent)}  tap rx {np.count_nonzero(tap & ~sent)}")  # noqa: T201
    assert np.count_nonzero(tap & sent) >= 2 * len(flows) * COUNT
    assert np.count_nonzero(tap & ~sent) >= 2 * len(flows) * COUNT
    assert last[tap & sent].all()
    assert (hops["hop"][tap & ~sent] == 0).all()


def scored(name: str, watch: Watch, lab: Lab, inventory: Inventory, inums: set[int]) -> Score:
    """Follow with that inventory, compare, print; nothing may be wrong."""
    result, _ = followed(watch, inventory)
    watch.recording.with_name(f"{name.strip()}.json").write_text(to_json(inventory))
    ours = inums | {each.inum for each in inventory.namespaces if each.name.startswith(lab.prefix)}
    score = watch.score(result, ours, lab.prefix)
    print(f"\n{name:>28}: {score}")  # noqa: T201
    assert (score.wrong, score.joined, score.cut) == (0, 0, 0)
    return score


@pytest.mark.parametrize("packets", [200_000])
def test_a_flood_over_a_bridge(lab: Lab, tmp_path: Path, packets: int) -> None:
    net = lab.subnet()
    left, right = lab.namespace("left"), lab.namespace("right")
    bridge = f"{lab.prefix}br"
    for number, box in enumerate((left, right)):
        lab.veth(box, "eth0", "", f"{lab.prefix}v{number}")
        lab.address(box, "eth0", f"{net[10 + number]}/24")
    lab.bridge("", bridge, f"{lab.prefix}v0", f"{lab.prefix}v1")
    pings([(left, str(net[11]))], count=1)
    flood = (
        "import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        f"s.connect(('{net[11]}', 9))\n"
        f"for _ in range({packets}):\n  try: s.send(b'x' * 64)\n  except ConnectionRefusedError: s.send(b'x' * 64)\n"
    )
    with Watch(tmp_path, oracle=False) as watch:
        lab.ip("netns", "exec", left, sys.executable, "-c", flood)
    inventory = take()
    result, diagnostics = followed(watch, inventory)
    length = 64 + 28 + 14
    hops = result.hops
    first = (hops["hop"] == 0) & (hops["len"] == length)
    inums = {name: os.stat(f"/run/netns/{name}").st_ino for name in (left, right)}  # noqa: PTH116
    mine = np.isin(hops["journey"], hops["journey"][first & (hops["netns"] == inums[left])])
    traced = np.count_nonzero((hops["len"] == length) & (hops["hop"] == 0) & mine)
    paths = Counter(result.journeys["hops"][np.isin(result.journeys["journey"], hops["journey"][mine])].tolist())
    print(f"\n{'flood':>28}: {packets} sent, {traced} journeys, hops {dict(paths)}, lost {diagnostics.lost}")  # noqa: T201
    assert not diagnostics.lost
    assert paths == {4: packets}
    host = next(each.inum for each in inventory.namespaces if each.origin == "host")
    places = hops["netns"][mine].reshape(-1, 4)
    right_place = places == [inums[left], host, host, inums[right]]
    assert (right_place | (places == 0)).all()
    assert right_place.mean() > 0.999  # where something interrupted a packet for long, its next step tells nothing
