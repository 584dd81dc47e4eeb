from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perfpath.diagnostics import Diagnostics
from perfpath.readers.recording import Info
from perfpath.render import jsonl, open_output
from perfpath.render.places import Namer

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from tests.render.conftest import Story


def objects(story: Story) -> list[dict[str, Any]]:
    text = "\n".join(jsonl.chunks(story.result(), Namer()))
    return [json.loads(line) for line in text.splitlines()]


def test_the_contract(bridge_ping: Story) -> None:
    first = objects(bridge_ping)[0]
    assert list(first) == [
        *("journey", "skbaddr", "start_ns", "end_ns", "role", "peer", "packet"),
        *("parent", "lineage", "outcome", "complete", "hops"),
    ]
    assert first["skbaddr"] == "0xffff96d481988700"
    assert (first["start_ns"], first["end_ns"], first["role"], first["peer"]) == (0, 18000, "request", 1)
    assert (first["packet"], first["outcome"], first["complete"]) == (None, None, True)
    assert first["hops"][0] == {
        "time_ns": 0,
        "event": "net_dev_queue",
        "direction": "tx",
        "dev": "docker0",
        "len": 98,
        "cpu": 0,
        "pid": 2563,
        "comm": "ping",
        "netns": {"inum": 4026531957, "name": "host"},
        "evidence": "unique-name",
    }
    assert list(first["hops"][0]) == [
        *("time_ns", "event", "direction", "dev", "len", "cpu", "pid", "comm", "netns", "evidence")
    ]


def test_what_is_unknown_is_null(story: Story) -> None:
    story.packet("tx eth0 ? 0", cpu=-1, pid=-1, comm=None, len=0)
    (journey,) = objects(story)
    assert (journey["role"], journey["peer"]) == (None, None)
    hop = journey["hops"][0]
    assert {key for key, value in hop.items() if value is None} == {"cpu", "pid", "comm", "len", "netns", "evidence"}
    assert "candidates" not in hop


def test_candidates_are_listed(doubtful: Story, shown: Callable[..., str]) -> None:
    hop = objects(doubtful)[0]["hops"][1]
    assert (hop["netns"], hop["evidence"]) == (None, None)
    assert [candidate["inum"] for candidate in hop["candidates"]] == [4026532258, 4026532300]
    hop = json.loads(shown("jsonl", doubtful).splitlines()[0])["hops"][1]
    assert [candidate["name"] for candidate in hop["candidates"]] == ["web", "db"]  # the inventory knows them


def test_an_inferred_namespace_has_a_name_and_no_number(story: Story) -> None:
    story.packet("tx eth0 ? 0", netns_name="ns-1", evidence="inferred")
    assert objects(story)[0]["hops"][0]["netns"] == {"inum": None, "name": "ns-1"}


def test_largest_values_stay_exact(story: Story) -> None:
    story.packet(f"tx lo host {(2**63 - 1) // 1000}", skbaddr=2**64 - 1, len=2**32 - 1)
    (journey,) = objects(story)
    assert journey["skbaddr"] == "0xffffffffffffffff"
    assert journey["hops"][0]["time_ns"] == (2**63 - 1) // 1000 * 1000
    assert journey["hops"][0]["len"] == 2**32 - 1


def test_chunks_join_into_the_same_journeys(bridge_ping: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = objects(bridge_ping)
    for size in (1, 2, 4, 6):
        monkeypatch.setattr(jsonl, "CHUNK", size)
        assert objects(bridge_ping) == expected


ROW = st.fixed_dictionaries(
    {
        "dev": st.text(min_size=1, max_size=15),
        "comm": st.none() | st.text(max_size=15),
        "netns_name": st.none() | st.text(min_size=1, max_size=30),
        "pid": st.integers(0, 2**31 - 1),
        "cpu": st.integers(0, 2**15 - 1),
        "len": st.integers(1, 2**32 - 1),
        "netns": st.integers(1, 2**32 - 1),
    }
)


@given(st.lists(ROW, min_size=1, max_size=20))
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_value_comes_back(new_story: type[Story], rows: list[dict[str, Any]]) -> None:
    story = new_story()
    for row in rows:
        story.packet("tx lo host 0", "rx lo host 1", **row)
    for row, journey in zip(rows, objects(story), strict=True):
        for hop in journey["hops"]:
            assert {key: hop[key] for key in ("dev", "comm", "pid", "cpu", "len")} == {
                key: row[key] for key in ("dev", "comm", "pid", "cpu", "len")
            }
            assert hop["netns"] == {"inum": row["netns"], "name": row["netns_name"]}


def test_names_that_are_not_utf8_make_valid_utf8(story: Story) -> None:
    story.packet("tx lo host 0", dev=b"e\xff\xe9".decode("utf-8", "surrogateescape"), comm="\ud83d")
    text = "\n".join(jsonl.chunks(story.result(), Namer()))
    assert text.isascii()
    hop = json.loads(text)["hops"][0]
    assert (hop["dev"], hop["comm"]) == ("e\\xff\\xe9", "\\ud83d")


def test_json_is_one_object_with_all_diagnostics(bridge_ping: Story) -> None:
    diagnostics = Diagnostics()
    diagnostics.lose(5, cpu=1, start_ns=1, end_ns=2)
    diagnostics.note("c", "m", example="\udcff")
    stream, notes = io.StringIO(), io.StringIO()
    output = open_output("json", stream, info=Info("perf.data", command=("perf", "\udc80")), notes=notes)
    for number in range(6):
        output.result(bridge_ping.result(number, number + 1))
    output.finish(diagnostics)
    document = json.loads(stream.getvalue())
    assert list(document) == ["version", "recording", "journeys", "diagnostics"]
    assert document["version"] == 1
    assert document["recording"]["command"] == ["perf", "\\x80"]
    assert document["journeys"] == objects(bridge_ping)
    assert document["diagnostics"]["losses"] == [{"count": 5, "cpu": 1, "start_ns": 1, "end_ns": 2}]
    assert document["diagnostics"]["notes"][0]["examples"] == ["\\xff"]


def test_json_without_journeys() -> None:
    stream = io.StringIO()
    output = open_output("json", stream, info=Info("ftrace"), notes=io.StringIO())
    output.finish(Diagnostics())
    assert json.loads(stream.getvalue())["journeys"] == []
