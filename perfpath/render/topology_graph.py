"""Namespaces as a graph in a language of others: Graphviz's dot, Mermaid, and our own JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from perfpath.escape import visible
from perfpath.netns.saved import to_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from perfpath.netns.inventory import Interface, Inventory
    from perfpath.render.topology import Words

PAIR, PORT, UPON = "pair", "port", "upon"


class Edge(NamedTuple):
    """A link between two nodes: the ends of a pair, a port and its master, a device and the one it sits on."""

    kind: str
    left: str
    right: str


def saved(shown: Inventory, words: Words) -> str:  # noqa: ARG001 - as the other two
    """The JSON of `netns.saved`."""
    return to_json(shown) + "\n"


def dot(shown: Inventory, words: Words) -> str:
    """A graph for Graphviz, a cluster for each namespace."""
    lines = ["graph perfpath {", "  rankdir=LR;", '  node [shape=box, fontname="sans-serif"];']
    for number, namespace in enumerate(shown.namespaces):
        lines += [f"  subgraph cluster_{number} {{", f"    label={_dot_text(words.space(namespace))};"]
        for node, interface in _nodes(shown, number):
            lines.append(f"    {node} [label={_dot_text(*_label(interface, words))}];")
        lines.append("  }")
    styles = {PAIR: "penwidth=2", PORT: "style=solid", UPON: "style=dashed"}
    lines += [f"  {edge.left} -- {edge.right} [{styles[edge.kind]}];" for edge in _edges(shown)]
    return "\n".join([*lines, "}", ""])


def mermaid(shown: Inventory, words: Words) -> str:
    """A flowchart for Mermaid, a subgraph for each namespace."""
    lines = ["flowchart LR"]
    for number, namespace in enumerate(shown.namespaces):
        lines.append(f"  subgraph s{number}[{_mermaid_text(words.space(namespace))}]")
        lines += [f"    {node}[{_mermaid_text(*_label(each, words))}]" for node, each in _nodes(shown, number)]
        lines.append("  end")
    arrows = {PAIR: "<-->", PORT: "---", UPON: "-.-"}
    lines += [f"  {edge.left} {arrows[edge.kind]} {edge.right}" for edge in _edges(shown)]
    return "\n".join([*lines, ""])


def _nodes(shown: Inventory, number: int) -> Iterator[tuple[str, Interface]]:
    """The interfaces of the namespace of that number, with a name made of numbers only."""
    for place, interface in enumerate(shown.namespaces[number].interfaces):
        yield f"i{number}_{place}", interface


def _edges(shown: Inventory) -> list[Edge]:
    nodes = {
        (interface.netns, interface.ifindex): node
        for number in range(len(shown.namespaces))
        for node, interface in _nodes(shown, number)
    }
    edges: dict[Edge, None] = {}  # in order, each once
    for number in range(len(shown.namespaces)):
        for node, interface in _nodes(shown, number):
            peer = nodes.get((interface.peer_netns, interface.peer)) if interface.peer else None
            master = nodes.get((interface.netns, interface.master)) if interface.master else None
            lower = nodes.get((interface.lower_netns, interface.lower)) if interface.lower else None
            if peer is not None and Edge(PAIR, peer, node) not in edges:
                edges[Edge(PAIR, node, peer)] = None
            if master is not None:
                edges[Edge(PORT, node, master)] = None
            if lower is not None:
                edges[Edge(UPON, node, lower)] = None
    return list(edges)


def _label(interface: Interface, words: Words) -> list[str]:
    """The lines of a node: name, kind, addresses, state; safe to show, not yet quoted."""
    lines = [visible(interface.name), words.kind(interface), *map(visible, interface.addresses), words.state(interface)]
    return [line for line in lines if line]


def _dot_text(*lines: str) -> str:
    r"""A quoted string of dot: quotes and backslashes escaped, so that no \N or \G of a name is filled in."""
    return '"' + r"\n".join(line.replace("\\", "\\\\").replace('"', '\\"') for line in lines) + '"'


def _mermaid_text(*lines: str) -> str:
    """A quoted string of Mermaid: all but letters, digits and harmless signs as character references (#34;)."""
    safe = set(" .,:/-_+()@")
    texts = ["".join(c if c.isalnum() or c in safe else f"#{ord(c)};" for c in line) for line in lines]
    return '"' + "<br/>".join(texts) + '"'
