"""Inventories made by hand, by the very commands that the help shows."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfpath.commands.topology import HELP
from perfpath.errors import InventoryError
from perfpath.netns.ip_json import from_ip_json
from perfpath.netns.live import take

if TYPE_CHECKING:
    from perfpath.capture.lab import Lab
    from perfpath.netns.inventory import Interface, Inventory
    from tests.netns.conftest import Street

FOLDER, FILE = HELP.partition("or, into one file")[::2]
COMMANDS = {
    "topology": "\n".join(re.findall(r"^  (\S.*)$", FOLDER, re.MULTILINE)),
    "topology.txt": "\n".join(re.findall(r"^  +(\S.*)$", FILE, re.MULTILINE)),
}


def by_hand(where: Path, made: str) -> Inventory:
    """Run the documented commands there; pid 1's namespace may be hidden in a sandbox, ours is the same."""
    script = COMMANDS[made].replace("/proc/1/ns/net", "/proc/self/ns/net")
    subprocess.run(["bash", "-c", script], cwd=where, check=False, capture_output=True)
    return from_ip_json(where / made)


@pytest.mark.netns
@pytest.mark.parametrize("made", COMMANDS)
def test_by_hand_is_the_same_as_live(street: Street, tmp_path: Path, made: str) -> None:
    saved, live = by_hand(tmp_path, made), take()
    others = {each.name for each in saved.namespaces} - {*street.all, "host"}  # labs whose pairs may look the same
    for name in street.all:
        inum = Path("/run/netns", name).stat().st_ino
        assert saved.by_inum[inum].name == name
        found = {each.ifindex: each for each in saved.by_inum[inum].interfaces}
        assert len(found) == len(live.by_inum[inum].interfaces)
        for interface in live.by_inum[inum].interfaces:
            told = found[interface.ifindex]
            if others and not told.peer:
                told = replace(told, peer=interface.peer, peer_netns=interface.peer_netns)
            assert_same(told, interface)
    ports = [each for each in saved.by_inum[Path("/run/netns", street.middle).stat().st_ino].interfaces if each.master]
    assert len(ports) == 2
    assert others or all(port.peer for port in ports)
    assert saved.by_inum[Path("/proc/self/ns/net").stat().st_ino].name == "host"


def assert_same(saved: Interface, live: Interface) -> None:
    """All that iproute2 tells; where it tells too little to be sure, an end in another namespace may be unknown."""
    if live.kind not in {"veth", "netkit"} and live.lower_netns != live.netns:
        assert saved.lower_netns in {0, live.lower_netns}
        assert saved.details.get("underlay_netns", 0) in {0, live.details.get("underlay_netns", 0)}
        live, saved = (
            replace(each, details={key: value for key, value in each.details.items() if key != "underlay_netns"})
            for each in (replace(live, lower=saved.lower, lower_netns=saved.lower_netns), saved)
        )
    assert replace(saved, details={}) == replace(live, details={})
    assert saved.details.items() <= live.details.items()
    assert live.details.keys() - saved.details.keys() <= {"underlay_netns"}


@pytest.mark.netns
def test_one_output_without_a_label_is_the_hosts(lab: Lab, tmp_path: Path) -> None:
    name = lab.namespace("one")
    (tmp_path / "x.json").write_text(lab.ip("-j", "-d", "link", netns=name).stdout)
    (space,) = from_ip_json(tmp_path / "x.json").namespaces
    assert (space.name, space.inum, space.interfaces[0].name) == ("host", 1, "lo")


@pytest.mark.netns
def test_names_are_read_as_iproute2_prints_them(lab: Lab, tmp_path: Path) -> None:
    """It leaves control characters in its JSON as they are."""
    name = lab.namespace("odd")
    lab.ip("link", "add", "\x1b[31mred", "type", "bridge", netns=name)
    (tmp_path / "x.json").write_text(lab.ip("-j", "-d", "addr", netns=name).stdout)
    (space,) = from_ip_json(tmp_path / "x.json").namespaces
    assert [each.name for each in space.interfaces] == ["lo", "\x1b[31mred"]


VETH = {"ifindex": 2, "ifname": "eth0", "link_index": 2, "link_netnsid": 0, "linkinfo": {"info_kind": "veth"}}


def test_ends_that_fit_twice_stay_unknown(tmp_path: Path) -> None:
    for name in "abcd":
        (tmp_path / f"{name}.json").write_text(json.dumps([VETH]))
    inventory = from_ip_json(tmp_path)
    assert len(inventory.namespaces) == 4
    assert not any(interface.peer for space in inventory.namespaces for interface in space.interfaces)
    for name in "cd":
        (tmp_path / f"{name}.json").unlink()
    assert all(interface.peer == 2 for space in from_ip_json(tmp_path).namespaces for interface in space.interfaces)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "holds no output"),
        ("hello", ":1 should be what `ip -j -d addr` prints"),
        ("4 /proc/1/ns/net\n[]\n5 x\n{]", ":4 should be what"),
        ("{}", "no list of interfaces"),
        ('[{"ifname": "eth0"}]', "entry 0 is no interface"),
        ('[{"ifindex": 1, "ifname": "lo"}, 5]', "entry 1 is no interface"),
        ("[" * 100_000, "should be what"),
        ('[{"ifindex": 1, "ifname": "lo"}, {"ifindex": 2, "ifname": "eth0", "link_index": 3}]', "made without -d"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "x.txt"
    file.write_text(content)
    with pytest.raises(InventoryError) as caught:
        from_ip_json(file)
    assert str(file) in str(caught.value)
    assert message in str(caught.value)


def test_a_file_that_cannot_be_read_and_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(InventoryError, match="can't be read"):
        from_ip_json(tmp_path / "missing")
    with pytest.raises(InventoryError, match="holds no output"):
        from_ip_json(tmp_path)
    (tmp_path / "inums").write_text("12 web\nx y\n")
    with pytest.raises(InventoryError, match="inums:2 should be an inode number"):
        from_ip_json(tmp_path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*VETH, "info_data", "id"]), inner),
    max_leaves=12,
)


@given(st.lists(st.fixed_dictionaries({"ifindex": st.integers(1, 3), "ifname": st.text(max_size=3), "linkinfo": JSON})))
def test_any_values_are_read_or_explained(
    tmp_path_factory: pytest.TempPathFactory, links: list[dict[str, Any]]
) -> None:
    file = tmp_path_factory.mktemp("any") / "x.json"
    file.write_text(json.dumps(links))
    assert len(from_ip_json(file).namespaces[0].interfaces) == len(links)
