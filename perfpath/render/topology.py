"""An inventory for people: where each interface leads, in words; and the choice of a format.

`tree` and `table` are for terminals (rich), `dot` is for Graphviz, `mermaid` for Markdown, `json` is `inventory.json`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfpath.escape import visible
from perfpath.render.console import Sink, console

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TextIO

    from perfpath.diagnostics import Diagnostics
    from perfpath.netns.inventory import Interface, Inventory, Namespace

FORMATS = ("tree", "table", "json", "dot", "mermaid")
UNKNOWN = "?"
PAIRS = frozenset({"veth", "netkit"})
SHOWN_DETAILS = {  # what is said of an interface beside its kind; the rest is in --format json
    "vlan_id": "id {}",
    "vxlan_id": "id {}",
    "geneve_id": "id {}",
    "mode": "{}",
    "local": "local {}",
    "remote": "remote {}",
    "table": "table {}",
}


def show_topology(
    format: str,  # noqa: A002 - what everybody calls it
    inventory: Inventory,
    stream: TextIO,
    *,
    chosen: list[Interface] | None = None,
    width: int | None = None,
) -> None:
    """Write an inventory in one of FORMATS. chosen: only these interfaces, and in drawings what they lead to.

    Raises OutputError or BrokenPipeError where it can't be written.
    """
    from perfpath.netns.query import part

    sink, words = Sink(stream), Words(inventory)
    if format in {"dot", "mermaid", "json"}:
        from perfpath.render.topology_graph import dot, mermaid, saved

        shown = inventory if chosen is None else part(inventory, chosen, ends=format != "json")
        sink.write({"dot": dot, "mermaid": mermaid, "json": saved}[format](shown, words))
    else:
        from perfpath.render.topology_rich import print_table, print_tree

        shown = inventory if chosen is None else part(inventory, chosen, ends=False)
        (print_tree if format == "tree" else print_table)(console(sink, width), shown, words, whole=chosen is None)
    sink.flush()


def note_lines(diagnostics: Diagnostics) -> list[str]:
    """What could not be seen, a line each."""
    found = []
    for note in diagnostics.notes.values():
        example = f", such as {visible(note.examples[0])}" if note.examples else ""
        advice = f" ({visible(note.advice)})" if note.advice else ""
        found.append(f"{note.severity}: {visible(note.message)}: {note.count}{example}{advice}")
    return found


class Words:
    """What to call namespaces and interfaces, and where they lead; all texts are safe to show."""

    def __init__(self, inventory: Inventory) -> None:
        self.inventory = inventory
        names = [namespace.name for namespace in inventory.namespaces]
        self._several = {name for name in names if names.count(name) > 1}

    def space(self, namespace: Namespace) -> str:
        """A namespace's name; its inode too where another has the same name."""
        name = visible(namespace.name)
        return f"{name}[{namespace.inum}]" if namespace.name in self._several else name

    def space_of(self, inum: int) -> str:
        """The same by inode; `?` for none."""
        namespace = self.inventory.by_inum.get(inum)
        if namespace is not None:
            return self.space(namespace)
        return f"net:[{inum}]" if inum else UNKNOWN

    def at(self, inum: int, ifindex: int, here: int) -> str:
        """An interface with its namespace, unless that is the one spoken of."""
        interface = self.inventory.by_index.get((inum, ifindex))
        name = f"interface {ifindex}" if interface is None else visible(interface.name)
        return name if inum == here else f"{name} @{self.space_of(inum)}"

    def kind(self, interface: Interface) -> str:
        """Its kind with what tells it from others of that kind."""
        found = [
            text.format(visible(str(interface.details[key])))
            for key, text in SHOWN_DETAILS.items()
            if key in interface.details
        ]
        return " ".join(filter(None, [visible(interface.kind), *found]))

    def state(self, interface: Interface) -> str:
        """What keeps it from working, "" for nothing."""
        if interface.gone_ns is not None:
            return "gone"
        if not interface.up:
            return "down"
        return "no carrier" if interface.details.get("carrier") is False else ""

    def leads(self, interface: Interface) -> str:
        """Where it leads: `<-> vethfe3f18d @host, port of docker0`."""
        return "; ".join(self._leads(interface))

    def _leads(self, interface: Interface) -> Iterable[str]:
        here = interface.netns
        if interface.peer:
            peer = self.inventory.peer(interface)
            at = self.at(interface.peer_netns, interface.peer, here)
            yield f"<-> {at}" + ("" if peer is None else "".join(f", {text}" for text in self._port(peer)))
        elif interface.kind in PAIRS:
            yield f"<-> {UNKNOWN} (its other end was not found)"
        yield from self._port(interface)
        if interface.lower:
            yield f"on {self.at(interface.lower_netns, interface.lower, here)}"
        underlay = interface.details.get("underlay_netns")
        if isinstance(underlay, int):
            yield f"its packets go on in {self.space_of(underlay)}"

    def _port(self, interface: Interface) -> list[str]:
        if not interface.master:
            return []
        state = interface.details.get("port_state", "forwarding")
        doubt = "" if state in {"forwarding", "active"} else f" ({visible(str(state))})"
        return [f"port of {self.at(interface.netns, interface.master, interface.netns)}{doubt}"]
