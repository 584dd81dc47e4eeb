"""Results made by hand, as the tracker would give them, and how to show them."""

from __future__ import annotations

import io
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from perfpath import schema
from perfpath.diagnostics import Diagnostics
from perfpath.journeys.tracker import Result
from perfpath.netns.inventory import Inventory, Namespace
from perfpath.readers.recording import Info
from perfpath.render import open_output
from perfpath.tables import Names, Table

if TYPE_CHECKING:
    from collections.abc import Callable

HOST, WEB, DB = 4026531957, 4026532258, 4026532300
NAMES = {HOST: "host", WEB: "web", DB: "db"}
INVENTORY = Inventory(tuple(Namespace(inum, name) for inum, name in NAMES.items()))


class Story:
    """Journeys told one after the other.

    A hop is `tx docker0 host 0`: direction, device, namespace and microseconds since the story began; the namespace
    is a name of NAMES, `?`, or `?web,db` for candidates.
    """

    def __init__(self) -> None:
        self.names: dict[str, Names] = {}
        self.hops: list[dict[str, Any]] = []
        self.journeys: list[dict[str, Any]] = []
        self.paths: list[Any] = []

    def packet(self, *hops: str, role: str | None = None, peer: int = -1, **more: Any) -> Story:
        """Add a journey; `more` are columns of HOPS or JOURNEYS."""
        number = len(self.journeys)
        rows = [self._hop(number, index, text, more) for index, text in enumerate(hops)]
        for before, row in pairwise(rows):
            row["delta_ns"] = row["time_ns"] - before["time_ns"]
        path = [(row["event"], row["dev"], row["netns"], row["netns_name"], row["candidates"]) for row in rows]
        if path not in self.paths:
            self.paths.append(path)
        start, end = rows[0]["time_ns"], rows[-1]["time_ns"]
        journey = {"journey": number, "skbaddr": 0xFFFF96D481988700 + number * 0x100, "start_ns": start, "end_ns": end}
        journey |= {"hops": len(rows), "path": self.paths.index(path), "role": role, "peer": peer, "complete": True}
        self.journeys.append(journey | {key: more[key] for key in more if key in ("complete", "cut", "skbaddr")})
        self.hops += rows
        return self

    def _hop(self, number: int, index: int, text: str, more: dict[str, Any]) -> dict[str, Any]:
        rest, space, micros = text.rsplit(" ", 2)
        direction, dev = rest.split(" ", 1)
        inum = next((inum for inum, name in NAMES.items() if name == space), 0)
        candidates = [str(inum) for inum, name in NAMES.items() if name in space[1:].split(",")]
        row = {
            "journey": number,
            "hop": index,
            "direction": direction,
            "dev": dev,
            "event": "net_dev_queue" if direction == "tx" else "netif_rx",
            "time_ns": int(micros) * 1000,
            "delta_ns": 0,
            "netns": inum,
            "netns_name": space if inum else None,
            "evidence": ("link" if dev.startswith("eth") else "unique-name") if inum else None,
            "candidates": ",".join(candidates) if space[0] == "?" and candidates else None,
            "len": 98,
            "cpu": 0,
            "pid": 2563,
            "comm": "ping",
            "skbaddr": 0xFFFF96D481988700 + number * 0x100,
        }
        return row | {key: value for key, value in more.items() if key not in ("complete", "cut")}

    def result(self, first: int = 0, last: int | None = None, until_us: int | None = None) -> Result:
        """The journeys from first to before last, with the hops seen until then."""
        journeys = self.journeys[first:last]
        numbers = {journey["journey"] for journey in journeys}
        hops = [hop for hop in self.hops if hop["journey"] in numbers]
        if until_us is not None:
            hops = [hop for hop in hops if hop["time_ns"] <= until_us * 1000]
            counts = {number: sum(hop["journey"] == number for hop in hops) for number in numbers}
            journeys = [journey | {"hops": counts[journey["journey"]]} for journey in journeys]
            journeys = [journey for journey in journeys if journey["hops"]]
        return Result(self._table(schema.HOPS, hops), self._table(schema.JOURNEYS, journeys))

    def _table(self, declared: tuple[schema.Column, ...], rows: list[dict[str, Any]]) -> Table:
        columns = {}
        for column in declared:
            if column.dtype == "category":
                known = self.names.setdefault(column.name, Names())
                cells = [row.get(column.name) for row in rows]
                columns[column.name] = np.array([-1 if x is None else known.code(x) for x in cells], dtype=np.int32)
            elif not column.optional:
                columns[column.name] = np.array([row.get(column.name, column.missing) for row in rows], column.dtype)
        return Table(columns, self.names)


@pytest.fixture
def story() -> Story:
    """An empty story."""
    return Story()


@pytest.fixture(scope="session")
def new_story() -> type[Story]:
    """For property tests: call it for an empty story."""
    return Story


@pytest.fixture
def bridge_ping() -> Story:
    """Three pings over docker0 into a container, with their replies."""
    story = Story()
    for ping in range(3):
        base = ping * 1_001_000
        out = (("tx docker0 host", 0), ("tx vetha373ab6 host", 4), ("rx eth0 web", 18))
        back = (("tx eth0 web", 30), ("rx vetha373ab6 host", 37), ("rx docker0 host", 39))
        story.packet(*(f"{hop} {base + at}" for hop, at in out), role="request", peer=ping * 2 + 1)
        story.packet(*(f"{hop} {base + at}" for hop, at in back), role="reply", peer=ping * 2)
    return story


@pytest.fixture
def router_chain() -> Story:
    """A ping from the host through a router into a third namespace, without an answer."""
    return Story().packet(
        *("tx veth-r host 0", "rx eth0 web 9", "tx eth1 web 15", "rx eth0 db 22"), role="request", cut="gap"
    )


@pytest.fixture
def doubtful() -> Story:
    """Hops that nobody can place, and a loss."""
    story = Story().packet("tx vethb12 host 0", "rx eth0 ?web,db 3", "tx eth0 ? 9")
    return story.packet("tx lo host 2000", "rx lo host 2004", complete=False)


ENDS: tuple[dict[str, Any], ...] = (
    {"outcome": "answered"},
    {"outcome": "delivered", "end_pid": 71, "end_comm": "nginx"},
    {"outcome": "delivered"},
    {"outcome": "left"},
    {"outcome": "copied"},
    {"outcome": "merged"},
    {"outcome": "dropped", "reason": "NETFILTER_DROP", "location": "nft_do_chain+0x3e8", "end_netns": WEB},
    {"outcome": "dropped", "reason": "NOT_SPECIFIED", "location": "ip_rcv_finish_core+0x25b", "end_netns": WEB},
    {},
)


@pytest.fixture
def ends() -> Story:
    """One packet for each way to end, each 2 hops long."""
    story = Story()
    for number, end in enumerate(ENDS):
        story.packet(f"tx veth0 host {number * 100}", f"rx eth0 web {number * 100 + 9}")
        story.journeys[-1] |= end
    return story


@pytest.fixture
def shown() -> Callable[..., str]:
    """A function: what a format makes of a result, summary and all."""

    def show(format: str, story: Story, diagnostics: Diagnostics | None = None, **options: Any) -> str:  # noqa: A002
        stream = io.StringIO()
        given: dict[str, Any] = {"info": Info("perf.data"), "inventory": INVENTORY, "notes": stream, "width": 100}
        output = open_output(format, stream, **given | options)
        output.result(story.result())
        output.finish(diagnostics or Diagnostics())
        return stream.getvalue()

    return show
