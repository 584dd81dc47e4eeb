"""An inventory made by hand, with plain iproute2, on a machine without perfpath.

As root, one loop over the namespaces prints everything (add other files that name a namespace to the list, such as
/run/docker/netns/* or /proc/PID/ns/net):

    for n in /proc/1/ns/net /run/netns/*; do stat -Lc '%i %n' $n; nsenter --net=$n ip -j -d addr; done > topology.txt

or, into a folder, a file for each, and one with the inode numbers:

    ip -j -d addr > host.json; for n in $(ls /run/netns); do ip -n $n -j -d addr > $n.json; done
    (stat -Lc '%i host' /proc/1/ns/net; ls -Li /run/netns) > inums

iproute2 doesn't tell which namespace a number means, so ends are found by fit (`Atlas.deduce`), or stay unknown.
Without inode numbers the namespaces are numbered from 1, and what a recording says of inodes can't be used.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from perfpath.errors import InventoryError
from perfpath.escape import visible
from perfpath.netns.inventory import Inventory, Namespace
from perfpath.netns.links import Link, lower_of, queue_of
from perfpath.netns.peers import Atlas, Look

if TYPE_CHECKING:
    from pathlib import Path

    from perfpath.netns.kinds import Details

Output = tuple[str, int, list[Any]]  # label, inode number or 0, what `ip` printed

_BLANK = re.compile(r"\s*")
_LABEL = re.compile(r"(?:(\d+) +)?([^\s\[{][^\n]*)\n")
_ORIGINS = (  # what names a namespace, and how people call it
    (re.compile(r"(?:/proc/(?:1|self)/ns/net|(host))\Z"), "host"),
    (re.compile(r"(?:/var)?/run/netns/(.+)", re.DOTALL), "ip netns"),
    (re.compile(r"(?:/var)?/run/docker/netns/(.+)", re.DOTALL), "docker"),
    (re.compile(r"/proc/(\d+)/ns/net\Z"), "process"),
)

# iproute2's keys of info_data and info_slave_data, and ours.
_DATA = {
    "remote": "remote",
    "remote6": "remote",
    "group": "remote",
    "group6": "remote",
    "local": "local",
    "local6": "local",
    "port": "port",
    "mode": "mode",
    "protocol": "vlan_protocol",
    "external": "external",
    "table": "table",
    "persist": "persist",
    "multi_queue": "multi_queue",
    "vlan_filtering": "vlan_filtering",
    "stp_state": "stp",
}
ANY = "any"  # an address that isn't set
_PORT_DATA = {"state": "port_state", "hairpin": "hairpin", "isolated": "isolated"}
_SWITCHES = {"external", "persist", "multi_queue", "vlan_filtering", "stp", "hairpin", "isolated"}
DETAILS = ("promiscuity", "linkinfo")  # -d prints the first for every interface, the second for all that have a kind
_IDS = {"vlan": "vlan_id", "vxlan": "vxlan_id", "geneve": "geneve_id"}


def from_ip_json(path: Path) -> Inventory:
    """The inventory in a file of labelled outputs of `ip -j -d addr` (or `link`), or in a folder of such files.

    Raises InventoryError, which says what is wrong and where.
    """
    shown = visible(str(path))
    try:
        outputs = _from_folder(path) if path.is_dir() else _from_text(_read(path), shown)
    except OSError as error:
        raise InventoryError(f"{shown} can't be read: {error.strerror}") from error
    if not outputs:
        raise InventoryError(f"{shown} holds no output of `ip -j -d addr` (a folder needs files called NAME.json)")
    return _inventory(outputs, shown)


def _read(path: Path) -> str:
    return path.read_bytes().decode(errors="surrogateescape")


def _from_folder(folder: Path) -> list[Output]:
    inums: dict[str, int] = {}
    listed = folder / "inums"
    if listed.exists():
        for number, line in enumerate(_read(listed).splitlines(), 1):
            inum, _, name = line.strip().partition(" ")
            if not inum.isdecimal() or not name:
                raise InventoryError(
                    f"{visible(str(listed))}:{number} should be an inode number and a name, as `ls -Li` prints them"
                )
            inums[name.strip()] = int(inum)
    outputs: list[Output] = []
    for file in sorted(folder.glob("*.json")):
        name = file.name.removesuffix(".json")
        links = [link for _, _, part in _from_text(_read(file), visible(str(file))) for link in part]
        label = name if name == "host" else f"/run/netns/{name}"
        outputs.append((label, inums.get(name, inums.get(label, 0)), links))
    return outputs


def _from_text(text: str, source: str) -> list[Output]:
    """Outputs in a row, each after its label; a file of one output needs none."""
    outputs: list[Output] = []
    decoder = json.JSONDecoder(strict=False)  # iproute2 prints control characters in names as they are
    label, inum, offset = "host", 0, 0
    while (offset := _BLANK.match(text, offset).end()) < len(text):  # type: ignore[union-attr] # it always matches
        match = _LABEL.match(text, offset)
        if match:
            label, inum, offset = match[2].strip(), int(match[1] or 0), _BLANK.match(text, match.end()).end()  # type: ignore[union-attr]
        try:
            value, offset = decoder.raw_decode(text, offset)
        except (ValueError, RecursionError) as error:
            line = text.count("\n", 0, offset) + 1
            raise InventoryError(f"{source}:{line} should be what `ip -j -d addr` prints: {error}") from error
        if not isinstance(value, list):
            raise InventoryError(f"{source}: what stands under {label!a} is no list of interfaces")
        outputs.append((label, inum, value))
    return outputs


def _inventory(outputs: list[Output], source: str) -> Inventory:
    used = {inum for _, inum, _ in outputs if inum}
    spare = (inum for inum in range(1, len(outputs) + len(used) + 2) if inum not in used)
    namespaces: dict[int, Namespace] = {}
    looks: list[Look] = []
    for label, given, values in outputs:
        if given in namespaces:
            continue  # two files that name the same namespace
        inum = given or next(spare)
        name, origin = _name(label)
        namespaces[inum] = Namespace(inum, name, origin, path=label)
        looks.append(_look(inum, values, f"{source}: {label!a}"))
    atlas = Atlas(looks)
    atlas.deduce()
    return Inventory(
        tuple(
            Namespace(each.inum, each.name, each.origin, path=each.path, interfaces=atlas.interfaces(each.inum))
            for each in namespaces.values()
        )
    )


def _name(label: str) -> tuple[str, str]:
    for pattern, origin in _ORIGINS:
        match = pattern.match(label)
        if match:
            return {"host": "host", "process": f"pid[{match[1]}]"}.get(origin, match[1]), origin
    return label.rpartition("/")[2] or label, "none"


def _look(inum: int, values: list[Any], where: str) -> Look:
    given = [value for value in values if value != {}]  # iproute2 prints {} for what a filter left out
    for i, value in enumerate(given):
        if not isinstance(value, dict) or not isinstance(value.get("ifname"), str) or not _number(value, "ifindex"):
            raise InventoryError(f"{where}: entry {i} is no interface with ifindex and ifname")
    devices = [value for value in given if value["ifname"] != "lo"]
    if devices and not any(detail in value for value in devices for detail in DETAILS):
        raise InventoryError(f"{where} was made without -d: no interface has its kind; `ip -j -d addr` has them")
    by_name = {value["ifname"]: value["ifindex"] for value in given}
    addresses = {value["ifindex"]: _addresses(value) for value in given}
    return Look(inum, [_link(value, by_name) for value in given], addresses)


def _link(value: dict[str, Any], by_name: dict[str, int]) -> Link:
    info = _inside(value, "linkinfo")
    kind, data = _text(info, "info_kind"), _inside(info, "info_data")
    nsid = _number(value, "link_netnsid")
    flags = value.get("flags")
    flags = flags if isinstance(flags, list) else []
    link = by_name.get(_text(value, "link")) or _number(value, "link_index")
    below = by_name.get(_text(data, "link"), 0)
    queue = queue_of(kind, _text(value, "qdisc"))
    return Link(
        value["ifindex"],
        value["ifname"],
        kind,
        _text(value, "address"),
        _number(value, "mtu") or 0,
        "UP" in flags,
        by_name.get(_text(value, "master"), 0),
        lower_of(link, kind, value["ifindex"], nsid, below),
        nsid,
        _details(kind, data, info, flags, by_name) | ({"qdisc": queue} if queue else {}),
    )


def _details(
    kind: str, data: dict[str, Any], info: dict[str, Any], flags: list[Any], by_name: dict[str, int]
) -> Details:
    details: Details = {}
    _collect(details, data, _DATA)
    identity = _number(data, "id")
    if identity and kind in _IDS:
        details[_IDS[kind]] = identity
    if kind == "tun" and _text(data, "type"):
        details["mode"] = _text(data, "type")
    active = by_name.get(_text(data, "active_slave"))
    if active:
        details["active_port"] = active
    if _text(info, "info_slave_kind"):
        details["port_of"] = _text(info, "info_slave_kind")
        _collect(details, _inside(info, "info_slave_data"), _PORT_DATA)
    if "UP" in flags and "LOWER_UP" not in flags:
        details["carrier"] = False
    return details


def _collect(details: Details, data: dict[str, Any], keys: dict[str, str]) -> None:
    for theirs, ours in keys.items():
        value = data.get(theirs)
        if ours in _SWITCHES:
            if value:
                details[ours] = True
        elif isinstance(value, str | int) and value and value != ANY:
            details[ours] = value.lower() if ours == "port_state" and isinstance(value, str) else value


def _addresses(value: dict[str, Any]) -> list[str]:
    listed = value.get("addr_info")
    found = listed if isinstance(listed, list) else []
    return [
        f"{each['local']}/{each.get('prefixlen')}" for each in found if isinstance(each, dict) and _text(each, "local")
    ]


def _inside(value: dict[str, Any], key: str) -> dict[str, Any]:
    found = value.get(key)
    return found if isinstance(found, dict) else {}


def _text(value: dict[str, Any], key: str) -> str:
    found = value.get(key)
    return found if isinstance(found, str) else ""


def _number(value: dict[str, Any], key: str) -> int | None:
    found = value.get(key)
    return found if isinstance(found, int) and not isinstance(found, bool) else None
