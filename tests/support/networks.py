"""Small networks, and what must be true in them, that several test modules share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ipaddress import IPv4Network

    from perfpath.capture.lab import Lab


def routed(lab: Lab) -> tuple[tuple[str, str, str], tuple[IPv4Network, IPv4Network]]:
    """Namespaces left, router and right, and the networks between them; left knows the way, right doesn't yet.

    left and router see each other as eth0, router's eth1 leads to right's eth0; addresses end with 1 at the router.
    """
    left, router, right = (lab.namespace(label) for label in ("left", "router", "right"))
    one, two = lab.subnet(), lab.subnet()
    lab.veth(left, "eth0", router, "eth0")
    lab.veth(router, "eth1", right, "eth0")
    for netns, dev, address in ((left, "eth0", one[2]), (router, "eth0", one[1]), (router, "eth1", two[1])):
        lab.address(netns, dev, f"{address}/24")
    lab.address(right, "eth0", f"{two[2]}/24")
    lab.ip("route", "add", "default", "via", str(one[1]), netns=left)
    lab.forward(router)
    return (left, router, right), (one, two)


def wholes_of_segments(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The packets that segments seen at wan0 were cut from; the lengths of all parts must make the whole."""
    by_number = {each["journey"]: each for each in found}
    parts = [each for each in found if each["lineage"] == "segment"]
    assert len(parts) > 10
    whole: dict[int, int] = {}
    for each in parts:
        assert [hop["dev"] for hop in each["hops"]] == ["wan0"]
        whole[each["parent"]] = whole.get(each["parent"], 0) + each["hops"][0]["len"] - 52
    for number, payload in whole.items():
        assert by_number[number]["hops"][0]["len"] == payload + 66
    return [by_number[number] for number in whole]
