"""Finding one interface or namespace in an inventory by what people call it: `eth0`, `eth0@web`, `web`, an inode."""

from __future__ import annotations

import difflib
from dataclasses import replace
from typing import TYPE_CHECKING

from perfpath.errors import InventoryError
from perfpath.escape import visible

if TYPE_CHECKING:
    from collections.abc import Callable

    from perfpath.netns.inventory import Interface, Inventory, Namespace

SUGGESTED = 5


def find(inventory: Inventory, query: str) -> list[Interface]:
    """The interfaces that are meant: of that name in any namespace, in one, or all of a namespace.

    Names may hold an @ themselves: `a@b` is first an interface of that name, then `a` in the namespace `b`.
    Raises InventoryError, naming what is similar.
    """
    found = list(inventory.by_name.get(query, ()))
    for at in [i for i, char in enumerate(query) if char == "@"]:
        name, space = query[:at], query[at + 1 :]
        found += [
            interface
            for namespace in inventory.namespaces
            if _is_called(namespace, space)
            for interface in namespace.interfaces
            if name in {"", interface.name}
        ]
    if not found:
        called = [namespace for namespace in inventory.namespaces if _is_called(namespace, query)]
        found = [interface for namespace in called for interface in namespace.interfaces]
    if not found:
        raise InventoryError(f"no interface or namespace is called {visible(query)}{_similar(inventory, query)}")
    return found


def part(inventory: Inventory, wanted: list[Interface], *, ends: bool) -> Inventory:
    """The inventory of only these interfaces; with `ends`, also what they lead to and what leads to them."""
    keys = {(interface.netns, interface.ifindex) for interface in wanted}
    if ends:
        keys |= {end for interface in wanted for end in _ends(interface)}
        keys |= {
            (interface.netns, interface.ifindex)
            for namespace in inventory.namespaces
            for interface in namespace.interfaces
            if any((each.netns, each.ifindex) in _ends(interface) for each in wanted)
        }
    return _only(inventory, lambda interface: (interface.netns, interface.ifindex) in keys)


def _only(inventory: Inventory, keep: Callable[[Interface], bool]) -> Inventory:
    kept = [
        replace(namespace, interfaces=tuple(interface for interface in namespace.interfaces if keep(interface)))
        for namespace in inventory.namespaces
    ]
    return replace(inventory, namespaces=tuple(namespace for namespace in kept if namespace.interfaces))


def _ends(interface: Interface) -> set[tuple[int, int]]:
    ends = {
        (interface.netns, interface.master),
        (interface.lower_netns, interface.lower),
        (interface.peer_netns, interface.peer),
    }
    return {(netns, ifindex) for netns, ifindex in ends if ifindex}


def _is_called(namespace: Namespace, name: str) -> bool:
    return name in {namespace.name, str(namespace.inum), f"net:[{namespace.inum}]"}


def _similar(inventory: Inventory, query: str) -> str:
    known = {namespace.name for namespace in inventory.namespaces}
    for namespace in inventory.namespaces:
        for interface in namespace.interfaces:
            known |= {interface.name, f"{interface.name}@{namespace.name}"}
    similar = difflib.get_close_matches(query, sorted(known), SUGGESTED, 0.6)
    if similar:
        return f"; similar are {', '.join(map(visible, similar))}"
    return "; `perfpath topology` shows all that there are"
