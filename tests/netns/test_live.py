"""The inventory of this host, against what iproute2 says inside each namespace."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from perfpath.diagnostics import Diagnostics
from perfpath.netns import look as look_module
from perfpath.netns.enter import aside, enter, within
from perfpath.netns.find import Places
from perfpath.netns.links import PAIRS
from perfpath.netns.live import current_inum, take
from perfpath.netns.netlink import Netlink
from perfpath.netns.saved import from_json, to_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from perfpath.capture.lab import Lab
    from perfpath.netns.inventory import Interface, Inventory, Namespace
    from tests.netns.conftest import Street

pytestmark = pytest.mark.netns


def inum_of(name: str) -> int:
    return Path("/run/netns", name).stat().st_ino


def in_namespace(name: str) -> list[dict[str, Any]]:
    done = subprocess.run(["ip", "-n", name, "-j", "-d", "addr"], capture_output=True, text=True, check=True)
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def by_name(inventory: Inventory, name: str) -> dict[str, Interface]:
    return {interface.name: interface for interface in inventory.by_inum[inum_of(name)].interfaces}


def test_everything_is_as_iproute2_says(street: Street) -> None:
    inventory = take()
    for name in street.all:
        namespace = inventory.by_inum[inum_of(name)]
        assert (namespace.name, namespace.origin, namespace.path) == (name, "ip netns", f"/run/netns/{name}")
        told = in_namespace(name)
        assert [interface.ifindex for interface in namespace.interfaces] == [each["ifindex"] for each in told]
        names = {each["ifindex"]: each["ifname"] for each in told} | {0: None}
        for interface, each in zip(namespace.interfaces, told, strict=True):
            assert interface.name == each["ifname"]
            assert interface.kind == each.get("linkinfo", {}).get("info_kind", "")
            assert interface.mac == each.get("address", "")
            assert interface.mtu == each["mtu"]
            assert interface.up == ("UP" in each["flags"])
            assert names[interface.master] == each.get("master")
            assert list(interface.addresses) == [f"{a['local']}/{a['prefixlen']}" for a in each["addr_info"]]
            check_details(interface, each)
            check_ends(interface, each, names)


def check_details(interface: Interface, told: dict[str, Any]) -> None:
    info = told.get("linkinfo", {})
    data = {key: value for key, value in info.get("info_data", {}).items() if value != "any"}
    details = interface.details
    if interface.kind in {"vlan", "vxlan", "geneve"}:
        assert details[f"{interface.kind}_id"] == data["id"]
    if interface.kind in {"vxlan", "geneve", "gre"}:
        assert details.get("local") == (data.get("local") or data.get("local6"))
        remote = [data[key] for key in ("remote", "remote6", "group", "group6") if key in data]
        assert [details.get("remote")] == (remote or [None])
        assert details.get("port") == data.get("port")
    if interface.kind in {"macvlan", "macvtap", "ipvlan", "bond"}:
        assert details["mode"] == data["mode"]
    if interface.kind == "tun":
        assert details["mode"] == data["type"]
    queue = told["qdisc"] if interface.kind and told["qdisc"] not in {"noqueue", "noop"} else None
    assert details.get("qdisc") == queue
    assert details.get("port_of") == info.get("info_slave_kind")
    assert details.get("port_state") == info.get("info_slave_data", {}).get("state")


def check_ends(interface: Interface, told: dict[str, Any], names: dict[int, str | None]) -> None:
    if "link_netnsid" in told:
        return  # another namespace's, which iproute2 doesn't tell: see the tests below
    below = told.get("linkinfo", {}).get("info_data", {}).get("link") or told.get("link")
    end = interface.peer if interface.kind in PAIRS else interface.lower
    assert names[end] == below
    assert (interface.peer_netns or interface.lower_netns) == (interface.netns if end else 0)


def test_ends_in_other_namespaces_are_found_though_all_is_called_the_same(street: Street) -> None:
    inventory = take()
    middle, left, right = (by_name(inventory, name) for name in street.all)
    assert left["eth0"].ifindex == right["eth0"].ifindex
    for port, end in (("port0", left["eth0"]), ("port1", right["eth0"])):
        assert inventory.peer(middle[port]) == end
        assert inventory.peer(end) == middle[port]
        assert middle[port].master == middle["br0"].ifindex
    if "macvlan-far" in street.kinds:
        assert (right["x-far"].lower, right["x-far"].lower_netns) == (left["eth0"].ifindex, inum_of(street.left))
    if "vxlan-far" in street.kinds:
        assert (right["x-farvx"].lower, right["x-farvx"].lower_netns) == (0, 0)
        assert right["x-farvx"].details["underlay_netns"] == inum_of(street.left)
        assert (right["x-farvd"].lower, right["x-farvd"].lower_netns) == (left["eth0"].ifindex, inum_of(street.left))


def test_the_host_is_where_this_test_runs() -> None:
    inventory = take()
    assert inventory.by_inum[current_inum()].name == "host"
    assert current_inum() == Path("/proc/self/ns/net").stat().st_ino


def test_looking_leaves_this_thread_and_process_where_they_were(street: Street) -> None:
    own = (Path("/proc/self/ns/net"), Path("/proc/thread-self/ns/net"))
    before = [path.readlink() for path in own]
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    take(thorough=True)
    inside = within(f"/run/netns/{street.left}", inum_of(street.left), current_inum)
    assert inside == inum_of(street.left)
    assert [path.readlink() for path in own] == before
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors


def test_what_goes_wrong_inside_is_raised_outside(lab: Lab) -> None:
    name = lab.namespace("one")
    with pytest.raises(ZeroDivisionError):
        within(f"/run/netns/{name}", inum_of(name), lambda: 1 // 0)
    with pytest.raises(FileNotFoundError, match="another namespace"):
        within(f"/run/netns/{name}", inum_of(name) + 1, current_inum)
    assert aside(current_inum) == current_inum()


HOLDERS = {
    "process": "print(flush=True)",
    "descriptor": "fd = os.open('/proc/self/ns/net', os.O_RDONLY); back(); print(flush=True)",
    "thread": (
        "threading.Thread(target=lambda: (libc.unshare(0x40000000), note(), print(flush=True), input())).start()"
    ),
}


@contextlib.contextmanager
def held(how: str) -> Iterator[tuple[int, int]]:
    """A namespace that only a process, its descriptor or one of its threads holds: (inode, pid)."""
    prelude = (
        "import os, sys, threading, ctypes\n"
        "libc = ctypes.CDLL(None)\n"
        "home = os.open('/proc/self/ns/net', os.O_RDONLY)\n"
        "note = lambda: print(os.stat('/proc/thread-self/ns/net').st_ino, end='', flush=True)\n"
        "back = lambda: libc.setns(home, 0)\n"
    )
    start = "" if how == "thread" else "assert not libc.unshare(0x40000000)\nnote()\n"
    code = f"{prelude}{start}{HOLDERS[how]}\n" + ("" if how == "thread" else "os.close(home); input()")
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        try:
            yield int(process.stdout.readline()), process.pid
        finally:
            process.stdin.write("\n")
            process.stdin.flush()
            process.wait()


def test_a_namespace_of_a_process_is_named_after_it() -> None:
    with held("process") as (inum, pid):
        namespace = take().by_inum[inum]
        comm = Path(f"/proc/{pid}/comm").read_text().strip()
    assert (namespace.name, namespace.origin, namespace.pids) == (f"{comm}[{pid}]", "process", (pid,))


@pytest.mark.parametrize("how", ["descriptor", "thread"])
def test_a_namespace_that_only_a_thread_or_descriptor_holds(how: str) -> None:
    with held(how) as (inum, pid):
        assert inum not in take().by_inum
        namespace = take(thorough=True).by_inum[inum]
        assert namespace.pids == ()
        assert namespace.name.endswith(f"[{pid}]")
        assert namespace.readable
        assert namespace.interfaces[0].name == "lo"


def test_a_namespace_that_only_a_bind_mount_holds(lab: Lab, tmp_path: Path) -> None:
    name = lab.namespace("one")
    place = tmp_path / "with space"
    place.touch()
    inum = inum_of(name)
    subprocess.run(["mount", "--bind", f"/run/netns/{name}", place], check=True)
    try:
        lab.ip("netns", "del", name)
        namespace = take().by_inum[inum]
        assert (namespace.name, namespace.origin, namespace.path) == ("with space", "mount", str(place))
    finally:
        subprocess.run(["umount", place], check=True)


def test_a_bind_mount_in_another_mount_namespace(lab: Lab, tmp_path: Path) -> None:
    name, place = lab.namespace("one"), tmp_path / "elsewhere"
    place.touch()
    inum = inum_of(name)
    code = f"mount --make-rprivate / && mount --bind /run/netns/{name} {place} && echo && read line"
    with subprocess.Popen(
        ["unshare", "-m", "sh", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        process.stdout.readline()
        lab.ip("netns", "del", name)
        with contextlib.suppress(FileNotFoundError):
            assert inum_of(name) != inum
        namespace = take(thorough=True).by_inum[inum]
        assert namespace.path.endswith(str(place))
        process.communicate("\n")


def test_files_that_are_no_namespaces_are_noted(lab: Lab, tmp_path: Path) -> None:
    name = lab.namespace("one")
    folder = tmp_path / "netns"
    folder.mkdir()
    (folder / "stale").touch()
    (folder / "dangling").symlink_to("/nowhere")
    (folder / "good").symlink_to(f"/run/netns/{name}")
    (folder / "uts").symlink_to("/proc/self/ns/uts")
    diagnostics = Diagnostics()
    inventory = take(diagnostics, places=Places(iproute=str(folder)))
    assert inventory.by_inum[inum_of(name)].name == "good"
    assert Path("/proc/self/ns/uts").stat().st_ino not in inventory.by_inum
    assert diagnostics.notes["stale-netns-file"].examples == ["dangling", "stale"]


@pytest.mark.parametrize("name", ['a"];b', "[red]x[bold]", "tab\\t", "a'b`c`", "\udcff\udcfe", "日本", "a@b"])
def test_names_are_kept_as_they_are(lab: Lab, name: str) -> None:
    netns = lab.namespace("one")
    lab.ip("link", "add", "name", name, "type", "bridge", netns=netns)
    inventory = take()
    assert {interface.name for interface in inventory.by_inum[inum_of(netns)].interfaces} >= {"lo", name}
    assert from_json(to_json(inventory)) == inventory


def test_without_root_what_can_be_seen_is_shown(lab: Lab) -> None:
    name = lab.namespace("one")
    code = (
        "import ctypes, os, sys; from perfpath.netns.live import take; from perfpath.netns.saved import to_json\n"
        "from perfpath.diagnostics import Diagnostics; d = Diagnostics()\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "i = take(d, thorough=True); print(to_json(i)); print(sorted(d.notes), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    inventory = from_json(done.stdout)
    assert {interface.name for interface in inventory.by_inum[current_inum()].interfaces} >= {"lo"}
    hidden = inventory.by_inum[inum_of(name)]
    assert (hidden.readable, hidden.interfaces, hidden.name) == (False, (), name)
    assert "netns-unreadable" in done.stderr


def test_from_inside_a_namespace_the_host_is_still_the_host(lab: Lab) -> None:
    name = lab.namespace("one")
    code = "from perfpath.netns.live import take; from perfpath.netns.saved import to_json; print(to_json(take()))"
    done = lab.run(name, sys.executable, "-c", code)
    inventory = from_json(done.stdout)
    assert inventory.by_inum[inum_of(name)].name == name
    assert inventory.by_inum[current_inum()].name == "host"


def test_a_namespace_that_vanishes_meanwhile_is_left_out(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    gone, stays = lab.namespace("gone"), lab.namespace("stays")
    inum = inum_of(gone)
    read = look_module.Looker.look

    def late(self: look_module.Looker, known: Any = None) -> Any:
        lab.ip("netns", "del", gone)
        return read(self, known)

    monkeypatch.setattr(look_module.Looker, "look", late)
    inventory = take()
    assert inum not in inventory.by_inum
    assert inum_of(stays) in inventory.by_inum


@pytest.fixture
def many(lab: Lab, tmp_path: Path) -> list[Namespace]:
    """300 namespaces with an eth0 of ifindex 2 each, on one bridge in another."""
    hub = lab.namespace("hub")
    names = [lab.prefix + f"-n{number}" for number in range(300)]
    for name in names:
        lab._promise(f"netns {name}")
    lines = [f"netns add {name}" for name in names]
    for number, name in enumerate(names):
        lines.append(f"link add name v{number} netns {hub} type veth peer name eth0 index 2 netns {name}")
    (tmp_path / "batch").write_text("\n".join(lines))
    lab.run("", "ip", "-batch", str(tmp_path / "batch"))
    wanted = {inum_of(name) for name in names}
    return [namespace for namespace in take().namespaces if namespace.inum in wanted]


def test_hundreds_of_namespaces_take_few_calls_each(many: list[Namespace], monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    entered: list[str] = []
    ask = Netlink._ask

    def counted(self: Netlink, kind: int, flags: int, body: bytes) -> Any:
        asked.append(kind)
        return ask(self, kind, flags, body)

    def entering(path: str, inum: int) -> None:
        entered.append(path)
        enter(path, inum)

    monkeypatch.setattr(Netlink, "_ask", counted)
    monkeypatch.setattr(look_module, "enter", entering)
    inventory = take()
    count = len(inventory.namespaces)
    ends = sum(interface.kind in PAIRS for namespace in inventory.namespaces for interface in namespace.interfaces)
    assert len(many) == 300
    for namespace in many:
        eth0 = next(interface for interface in inventory.by_inum[namespace.inum].interfaces if interface.name == "eth0")
        peer = inventory.peer(eth0)
        assert peer is not None
        assert inventory.peer(peer) == eth0
    assert len(asked) <= 2 * count + 2 * ends + 10  # two dumps each, and about a question for each end
    assert len(entered) <= 2 * count


def test_a_second_look_reads_only_what_changed(many: list[Namespace], monkeypatch: pytest.MonkeyPatch) -> None:
    from perfpath.netns.live import snapshot

    before = snapshot()
    dumps: list[int] = []
    dump = Netlink.dump

    def counted(self: Netlink, kind: int, body: bytes) -> list[bytes]:
        dumps.append(kind)
        return dump(self, kind, body)

    monkeypatch.setattr(Netlink, "dump", counted)
    after = snapshot(before=before, changed={many[0].inum})
    others = {namespace.inum for namespace in after.inventory.namespaces} - set(before.looks)
    assert len(dumps) <= 2 + 2 * len(others)
    assert after.inventory.by_inum[many[1].inum] == before.inventory.by_inum[many[1].inum]
