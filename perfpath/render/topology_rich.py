"""Namespaces as a tree or a table on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.measure import Measurement
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from perfpath.escape import visible
from perfpath.render.colours import DIM, DOUBT, Colours

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from perfpath.netns.inventory import Interface, Inventory, Namespace
    from perfpath.render.topology import Words


def print_tree(console: Console, shown: Inventory, words: Words, *, whole: bool) -> None:
    """A tree for each namespace: interfaces under the one they are a port of or sit on.

    whole: also say what is empty or can't be read.
    """
    colours = Colours()
    for namespace in shown.namespaces:
        colour = colours.of(words.space(namespace))
        tree = Tree(_title(namespace, words, colour), guide_style=DIM, highlight=False)
        under: dict[int, list[Interface]] = {}
        there = {interface.ifindex for interface in namespace.interfaces}
        for interface in namespace.interfaces:
            under.setdefault(_above(interface, there), []).append(interface)
        _grow(tree, under, lambda interface, colour=colour: _line(interface, words, colour))  # type: ignore[misc]
        if whole and not namespace.interfaces:
            tree.add(Text("its interfaces may not be read" if not namespace.readable else "no interfaces", DOUBT))
        _widen(console, tree)
        console.print(tree, soft_wrap=False)


def _above(interface: Interface, there: set[int]) -> int:
    """The ifindex under which it is shown, 0 for none."""
    if interface.master in there:
        return interface.master
    return interface.lower if interface.lower_netns == interface.netns and interface.lower in there else 0


def _grow(tree: Tree, under: dict[int, list[Interface]], line: Callable[[Interface], Text]) -> None:
    """Hang up all interfaces, each once; those that a made-up inventory puts in a circle on the trunk."""
    branches = [(tree, 0)]
    while branches or under:
        branch, ifindex = branches.pop() if branches else (tree, next(iter(under)))
        branches += [(branch.add(line(interface)), interface.ifindex) for interface in under.pop(ifindex, [])]


def _title(namespace: Namespace, words: Words, colour: str) -> Text:
    title = Text(words.space(namespace), f"bold {colour}")
    title.append(f"  net:[{namespace.inum}]", DIM)
    if namespace.origin not in {"host", "none"}:
        title.append(f"  {visible(namespace.origin)}", DIM)
    if namespace.gone_ns is not None:
        title.append("  gone", DOUBT)
    return title


def _line(interface: Interface, words: Words, colour: str) -> Text:
    line = Text(visible(interface.name), colour)
    kind, state, leads = words.kind(interface), words.state(interface), words.leads(interface)
    if kind:
        line.append(f"  {kind}", DIM)
    for address in interface.addresses:
        line.append(f"  {visible(address)}")
    if state:
        line.append(f"  {state}", DOUBT)
    if leads:
        line.append(f"  {leads}", "bold" if interface.peer else "")
    return line


def print_table(console: Console, shown: Inventory, words: Words, *, whole: bool) -> None:  # noqa: ARG001
    """A row for each interface."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("namespace", "interface", "index", "kind", "state", "mac", "addresses", "leads to"):
        table.add_column(title, justify="right" if title == "index" else "left", overflow="fold")
    colours = Colours()
    for namespace in shown.namespaces:
        space = words.space(namespace)
        for interface in namespace.interfaces:
            table.add_row(
                Text(space, colours.of(space)),
                Text(visible(interface.name)),
                Text(str(interface.ifindex)),
                Text(words.kind(interface)),
                Text(words.state(interface) or "up", DOUBT if words.state(interface) else ""),
                Text(visible(interface.mac)),
                Text(" ".join(map(visible, interface.addresses))),
                Text(words.leads(interface)),
            )
    _widen(console, table)
    console.print(table, soft_wrap=False)


def _widen(console: Console, shown: Tree | Table) -> None:
    """Never cut or fold what a program may read."""
    if not console.is_terminal:
        widest = Measurement.get(console, console.options.update(width=10**6), shown).maximum
        console.width = max(console.width, widest)
