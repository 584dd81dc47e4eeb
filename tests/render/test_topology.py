"""How an inventory is shown: trees, tables, drawings; with names that want to break out."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perfpath.errors import InventoryError
from perfpath.netns.inventory import Interface, Inventory, Namespace
from perfpath.netns.query import find, part
from perfpath.netns.saved import from_json
from perfpath.render.topology import FORMATS, show_topology

HOST, WEB, DB = 4026531833, 4026532258, 4026532300
EVIL = ('"];evil [red]x[/red]', "\x1b[31m\x07", "<b>&amp;</b>`x`", "a\\N\\", "\udcff\u202e", '"', "end", "%%{init}%%")


def veth(netns: int, ifindex: int, name: str, peer: tuple[int, int], master: int = 0) -> Interface:
    details: dict[str, str | int | bool] = {"port_of": "bridge", "port_state": "forwarding"} if master else {}
    addresses = () if master else ("172.17.0.2/16",)
    return Interface(
        netns,
        ifindex,
        name,
        "veth",
        "02:00:00:00:00:02",
        1500,
        True,
        master,
        0,
        0,
        peer[1],
        peer[0],
        addresses,
        details,
    )


DOCKER = Inventory(
    (
        Namespace(
            HOST,
            "host",
            "host",
            interfaces=(
                Interface(HOST, 1, "lo", addresses=("127.0.0.1/8",)),
                Interface(HOST, 3, "docker0", "bridge", addresses=("172.17.0.1/16",)),
                veth(HOST, 5, "vethfe3f18d", (WEB, 4), master=3),
                veth(HOST, 7, "veth0e65931", (0, 0), master=3),
                Interface(HOST, 2, "eth0", addresses=("192.0.2.2/24",)),
                Interface(HOST, 9, "eth0.5", "vlan", up=False, lower=2, lower_netns=HOST, details={"vlan_id": 5}),
            ),
        ),
        Namespace(WEB, "web", "docker", interfaces=(veth(WEB, 4, "eth0", (HOST, 5)),)),
        Namespace(
            DB,
            "web",
            "docker",
            interfaces=(
                Interface(
                    DB, 2, "vx", "vxlan", details={"vxlan_id": 42, "remote": "192.0.2.3", "underlay_netns": HOST}
                ),
            ),
        ),
        Namespace(9, "secret", "ip netns", readable=False),
    )
)

TREE = f"""\
host  net:[{HOST}]
├── lo  127.0.0.1/8
├── docker0  bridge  172.17.0.1/16
│   ├── vethfe3f18d  veth  <-> eth0 @web[{WEB}]; port of docker0
│   └── veth0e65931  veth  <-> ? (its other end was not found); port of docker0
└── eth0  192.0.2.2/24
    └── eth0.5  vlan id 5  down  on eth0
web[{WEB}]  net:[{WEB}]  docker
└── eth0  veth  172.17.0.2/16  <-> vethfe3f18d @host, port of docker0
web[{DB}]  net:[{DB}]  docker
└── vx  vxlan id 42 remote 192.0.2.3  its packets go on in host
secret  net:[9]  ip netns
└── its interfaces may not be read
"""

MERMAID = f"""\
flowchart LR
  subgraph s0["host"]
    i0_0["docker0<br/>bridge<br/>172.17.0.1/16"]
    i0_1["vethfe3f18d<br/>veth"]
  end
  subgraph s1["web#91;{WEB}#93;"]
    i1_0["eth0<br/>veth<br/>172.17.0.2/16"]
  end
  i0_1 <--> i1_0
  i0_1 --- i0_0
"""


def shown(format: str, inventory: Inventory, query: str | None = None, width: int = 60) -> str:  # noqa: A002
    stream = io.StringIO()
    show_topology(format, inventory, stream, chosen=None if query is None else find(inventory, query), width=width)
    return stream.getvalue()


def test_the_tree() -> None:
    assert shown("tree", DOCKER) == TREE


def test_the_table_is_never_cut() -> None:
    lines = shown("table", DOCKER).splitlines()
    assert lines[0].split() == ["namespace", "interface", "index", "kind", "state", "mac", "addresses", "leads", "to"]
    assert len(lines) == 1 + 8
    row = next(line for line in lines if line.startswith(f"web[{WEB}]"))
    assert re.split(r"  +", row.strip()) == [
        f"web[{WEB}]",
        "eth0",
        "4",
        "veth",
        "up",
        "02:00:00:00:00:02",
        "172.17.0.2/16",
        "<-> vethfe3f18d @host, port of docker0",
    ]


def test_json_can_be_read_again() -> None:
    assert from_json(shown("json", DOCKER)) == DOCKER


def test_a_drawing_of_one_shows_where_it_leads() -> None:
    assert shown("mermaid", DOCKER, "vethfe3f18d") == MERMAID


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("vethfe3f18d", {(HOST, 5)}),
        ("eth0", {(HOST, 2), (WEB, 4)}),
        ("eth0@web", {(WEB, 4)}),
        ("eth0@host", {(HOST, 2)}),
        (f"eth0@{WEB}", {(WEB, 4)}),
        ("web", {(WEB, 4), (DB, 2)}),
        ("@web", {(WEB, 4), (DB, 2)}),
        (f"net:[{DB}]", {(DB, 2)}),
        (str(DB), {(DB, 2)}),
    ],
)
def test_one_is_found_by_what_people_call_it(query: str, wanted: set[tuple[int, int]]) -> None:
    assert {(each.netns, each.ifindex) for each in find(DOCKER, query)} == wanted


def test_an_interface_with_an_at_in_its_name() -> None:
    odd = Inventory((Namespace(1, "b@c", interfaces=(Interface(1, 2, "a@b"), Interface(1, 3, "a"))),))
    assert [each.name for each in find(odd, "a@b")] == ["a@b"]
    assert [each.name for each in find(odd, "a@b@c")] == ["a"]
    assert [each.name for each in find(odd, "a@b@b@c")] == ["a@b"]


@pytest.mark.parametrize(
    ("query", "similar"),
    [("vethfe3f18", "vethfe3f18d"), ("eth0@wep", "eth0@web"), ("hst", "host"), ("\x1b[31mzzz", "shows all")],
)
def test_what_is_not_there_is_said_with_what_is_similar(query: str, similar: str) -> None:
    with pytest.raises(InventoryError) as caught:
        find(DOCKER, query)
    assert similar in str(caught.value)
    assert "\x1b" not in str(caught.value)


def test_part_keeps_what_leads_there_too() -> None:
    whole = part(DOCKER, find(DOCKER, "docker0"), ends=True)
    assert [each.name for space in whole.namespaces for each in space.interfaces] == [
        "docker0",
        "vethfe3f18d",
        "veth0e65931",
    ]


def evil() -> Inventory:
    interfaces = tuple(
        Interface(HOST, number + 1, name, name, name, master=1, addresses=(name,), details={"mode": name})
        for number, name in enumerate(EVIL)
    )
    others = tuple(Namespace(100 + number, name, name) for number, name in enumerate(EVIL))
    return Inventory((Namespace(HOST, EVIL[0], interfaces=interfaces), *others))


@pytest.mark.parametrize("format_", FORMATS)
def test_names_do_not_break_out(format_: str) -> None:
    text = shown(format_, evil())
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202e\udcff]", text)
    text.encode()
    if format_ == "json":
        assert from_json(text) == evil()
    if format_ in {"tree", "table"}:
        assert EVIL[0] in text
    if format_ == "mermaid":
        quoted = r'i?s?\d+(_\d+)?\["[^"`<>&;%]*(?:(?:#\d+;|<br/>)[^"`<>&;%]*)*"\]'
        allowed = re.compile(rf"flowchart LR|  (subgraph |  )?{quoted}|  end|    {quoted}|  i\d+_\d+ \S+ i\d+_\d+")
        assert [line for line in text.splitlines() if not allowed.fullmatch(line)] == []


def layout(text: str) -> list[list[str]]:
    """What Graphviz makes of a graph, as words."""
    if shutil.which("dot") is None:
        pytest.skip("Graphviz is not installed")
    done = subprocess.run(["dot", "-Tjson"], input=text, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    graph = json.loads(done.stdout)
    names = [[each["name"], each["label"]] for each in graph["objects"] if "label" in each]
    edges = [[graph["objects"][each[end]]["name"] for end in ("tail", "head")] for each in graph.get("edges", [])]
    return names + edges


def test_graphviz_reads_it() -> None:
    found = layout(shown("dot", DOCKER))
    assert ["i0_2", "i1_0"] in found
    assert ["i0_2", "i0_1"] in found
    assert [name for name, _ in found if name.startswith("cluster_")] == [f"cluster_{number}" for number in range(4)]
    assert ["cluster_0", "host"] in found


def test_graphviz_reads_evil_names() -> None:
    found = layout(shown("dot", evil()))
    labels = [label for name, label in found if name.startswith("i0_")][: len(EVIL)]
    assert len(labels) == len(EVIL)
    assert labels[0].startswith('"];evil [red]x[/red]')


INDEXES, SPACES = st.integers(0, 4), st.sampled_from([0, 1, 2])


@settings(max_examples=60)
@given(
    st.lists(
        st.builds(
            Interface,
            netns=st.just(1),
            ifindex=INDEXES,
            name=st.text(st.characters(exclude_categories=[]), max_size=5),
            kind=st.sampled_from(["veth", "vlan", ""]),
            master=INDEXES,
            lower=INDEXES,
            lower_netns=SPACES,
            peer=INDEXES,
            peer_netns=SPACES,
        ),
        max_size=6,
    )
)
def test_whatever_an_inventory_says_each_interface_is_shown_once(interfaces: list[Interface]) -> None:
    inventory = Inventory((Namespace(1, "x", interfaces=tuple(interfaces)),))
    tree = shown("tree", inventory, width=200).splitlines()
    assert len(tree) == 1 + max(1, len(interfaces))
    for drawing in ("dot", "mermaid"):
        nodes = re.findall(r"^    i0_\d+ ?\[", shown(drawing, inventory), re.MULTILINE)
        assert len(nodes) == len(interfaces)
