r"""An inventory as JSON: what `inventory.json` of a capture and `perfpath topology --format json` hold.

    {"format": "perfpath-inventory", "version": 1, "taken_ns": 123 | null, "done_ns": 456 | null,
     "gaps": [[100, 130]], "namespaces": [
      {"inum": 4026531833, "dev": 4, "name": "host", "origin": "host", "path": "/proc/1/ns/net", "pids": [1],
       "born_ns": null, "gone_ns": null, "first_ns": null, "last_ns": null, "cookie": 1, "readable": true,
       "interfaces": [
         {"ifindex": 3, "name": "veth1", "kind": "veth", "mac": "...", "mtu": 1500, "up": true, "master": 2,
          "lower": 0, "lower_netns": 0, "peer": 2, "peer_netns": 4026532258, "addresses": ["10.0.0.1/24"],
          "details": {"port_of": "bridge"}, "born_ns": null, "gone_ns": null, "first_ns": null, "last_ns": null}]}]}

The fields are those of `netns.inventory`; an interface's namespace is the one it stands in. Only inum, ifindex and the
names must be there; fields nobody knows are left alone, so a version only changes where old readers would be wrong.
Bytes of a name that are not UTF-8 are written as lone surrogates (\udc80 to \udcff), as Python decodes file names.
"""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

from perfpath.errors import InventoryError
from perfpath.escape import visible
from perfpath.netns.inventory import Interface, Inventory, Namespace

FORMAT, VERSION = "perfpath-inventory", 1

_NUMBERS, _INDEXES, _TIMES = range(1 << 64), range(-(1 << 31), 1 << 31), range(-(1 << 63), 1 << 63)
_LIMITS = {
    **dict.fromkeys(("inum", "lower_netns", "peer_netns"), range(1 << 32)),
    **dict.fromkeys(("ifindex", "master", "lower", "peer"), _INDEXES),
}
"""What the kernel's types hold; other numbers fit in 64 bits without a sign."""


def to_json(inventory: Inventory) -> str:
    """The inventory as text that `from_json` reads."""
    return json.dumps(as_dict(inventory), indent=1)


def as_dict(inventory: Inventory) -> dict[str, Any]:
    """The same as plain JSON values."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "taken_ns": inventory.taken_ns,
        "done_ns": inventory.done_ns,
        "gaps": [list(gap) for gap in inventory.gaps],
        "namespaces": [_namespace_as_dict(namespace) for namespace in inventory.namespaces],
    }


def _namespace_as_dict(namespace: Namespace) -> dict[str, Any]:
    values = {each.name: getattr(namespace, each.name) for each in fields(Namespace)}
    values["interfaces"] = [
        {each.name: getattr(interface, each.name) for each in fields(Interface) if each.name != "netns"}
        for interface in namespace.interfaces
    ]
    return values


def from_json(text: str | bytes, source: str = "inventory.json") -> Inventory:
    """The inventory in the text. Raises InventoryError, which says what is wrong at which place of `source`."""
    source = visible(source)
    try:
        top = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InventoryError(f"{source} is not JSON: {error}") from error
    top = _object(top, source)
    if top.get("format") != FORMAT:
        raise InventoryError(
            f'{source} is not an inventory of perfpath (no "format": "{FORMAT}"). '
            "What plain `ip -j` printed is read with --from-ip-json"
        )
    version = top.get("version")
    if version != VERSION:
        raise InventoryError(f"{source} has version {version!r}, this perfpath reads {VERSION}: use a newer one")
    namespaces = _list(top.get("namespaces"), f"{source}: namespaces")
    return Inventory(
        tuple(_namespace(each, f"{source}: namespaces[{i}]") for i, each in enumerate(namespaces)),
        _time(top.get("taken_ns"), f"{source}: taken_ns"),
        _time(top.get("done_ns"), f"{source}: done_ns"),
        tuple(
            _gap(each, f"{source}: gaps[{i}]") for i, each in enumerate(_list(top.get("gaps", []), f"{source}: gaps"))
        ),
    )


def _gap(value: Any, where: str) -> tuple[int, int]:
    times = _list(value, where)
    if len(times) != 2:
        raise _wrong(where, "two times", value)
    since, until = (_is_number(each, where, _TIMES) for each in times)
    return since, until


def _namespace(value: Any, where: str) -> Namespace:
    given = _object(value, where)
    inum = _number(given, "inum", where, required=True)
    interfaces = _list(given.get("interfaces", []), f"{where}.interfaces")
    pids = _list(given.get("pids", []), f"{where}.pids")
    return Namespace(
        inum,
        _text(given, "name", where, required=True),
        _text(given, "origin", where) or "none",
        _number(given, "dev", where),
        _text(given, "path", where),
        tuple(_is_number(pid, f"{where}.pids[{i}]", _INDEXES) for i, pid in enumerate(pids)),
        _time(given.get("born_ns"), f"{where}.born_ns"),
        _time(given.get("gone_ns"), f"{where}.gone_ns"),
        tuple(_interface(each, inum, f"{where}.interfaces[{i}]") for i, each in enumerate(interfaces)),
        _number(given, "cookie", where),
        _flag(given, "readable", where),
        _time(given.get("first_ns"), f"{where}.first_ns"),
        _time(given.get("last_ns"), f"{where}.last_ns"),
    )


def _interface(value: Any, inum: int, where: str) -> Interface:
    given = _object(value, where)
    addresses = _list(given.get("addresses", []), f"{where}.addresses")
    return Interface(
        inum,
        _number(given, "ifindex", where, required=True),
        _text(given, "name", where, required=True),
        _text(given, "kind", where),
        _text(given, "mac", where),
        _number(given, "mtu", where),
        _flag(given, "up", where),
        _number(given, "master", where),
        _number(given, "lower", where),
        _number(given, "lower_netns", where),
        _number(given, "peer", where),
        _number(given, "peer_netns", where),
        tuple(_is_text(each, f"{where}.addresses[{i}]") for i, each in enumerate(addresses)),
        _details(given.get("details", {}), f"{where}.details"),
        _time(given.get("born_ns"), f"{where}.born_ns"),
        _time(given.get("gone_ns"), f"{where}.gone_ns"),
        _time(given.get("first_ns"), f"{where}.first_ns"),
        _time(given.get("last_ns"), f"{where}.last_ns"),
    )


def _details(value: Any, where: str) -> dict[str, str | int | bool]:
    given = _object(value, where)
    for key, each in given.items():
        if not isinstance(each, str | int | bool):
            raise _wrong(f"{where}.{key}", "a text, a number or true/false", each)
    return given


def _object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong(where, "an object", value)
    return value


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise _wrong(where, "a list", value)
    return value


def _number(given: dict[str, Any], key: str, where: str, *, required: bool = False) -> int:
    return _is_number(given.get(key, None if required else 0), f"{where}.{key}", _LIMITS.get(key, _NUMBERS))


def _is_number(value: Any, where: str, limits: range) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong(where, "a whole number", value)
    if value not in limits:
        raise _wrong(where, "a whole number, as large as the kernel's are", value)
    return value


def _time(value: Any, where: str) -> int | None:
    return None if value is None else _is_number(value, where, _TIMES)


def _text(given: dict[str, Any], key: str, where: str, *, required: bool = False) -> str:
    return _is_text(given.get(key, None if required else ""), f"{where}.{key}")


def _is_text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise _wrong(where, "a text", value)
    return value


def _flag(given: dict[str, Any], key: str, where: str) -> bool:
    value = given.get(key, True)
    if not isinstance(value, bool):
        raise _wrong(f"{where}.{key}", "true or false", value)
    return value


def _wrong(where: str, wanted: str, value: Any) -> InventoryError:
    shown = "nothing" if value is None else ascii(value)
    return InventoryError(f"{where} should be {wanted}, not {shown[:40]}")
