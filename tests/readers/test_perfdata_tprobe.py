"""Recordings of our own dynamic events: hops with their namespaces, and packets with their bytes."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import perfpath
from perfpath.journeys.tracker import Result
from perfpath.readers.recording import Info
from perfpath.render import open_output

HOST, WEB = 4026531840, 4026532273


def test_a_ping_over_a_bridge_is_read_as_hops_of_the_four_tracepoints(corpus: Path) -> None:
    trace = perfpath.read(corpus / "tprobe-6.12.data")
    assert trace.diagnostics.sound
    assert trace.info.events == ("net_dev_queue", "netif_rx", "netif_receive_skb_entry", "napi_gro_receive_entry")
    hops = trace.hops
    assert hops["event"].tolist() == [
        *("net_dev_queue", "net_dev_queue", "netif_rx"),
        *("net_dev_queue", "netif_rx", "netif_receive_skb_entry"),
    ]
    assert hops["netns"].tolist() == [HOST, HOST, WEB, WEB, HOST, HOST]
    assert hops["ifindex"].tolist() == [2, 3, 2, 2, 3, 2]
    assert set(hops["evidence"]) == {"kernel"}
    journeys = trace.journeys
    assert journeys["role"].tolist() == ["request", "reply"]
    assert journeys["src"].tolist() == ["172.17.0.1", "172.17.0.2"]
    assert journeys["dst"].tolist() == ["172.17.0.2", "172.17.0.1"]
    assert journeys["l4"].tolist() == ["icmp"] * 2
    assert journeys["icmp_id"].tolist() == [191] * 2
    assert journeys["icmp_seq"].tolist() == [1] * 2
    assert journeys["message"].tolist() == ["icmp echo request", "icmp echo reply"]


def test_it_prints_as_the_article_does(corpus: Path) -> None:
    trace = perfpath.read(corpus / "tprobe-6.12.data")
    stream = io.StringIO()
    open_output("plain", stream, info=Info("perf.data"), notes=io.StringIO()).result(
        Result(trace.result.hops, trace.result.journeys)
    )
    assert stream.getvalue().splitlines() == [
        f"[  {HOST}]          docker0 request #191.001 172.17.0.1 -> 172.17.0.2",
        f"[  {HOST}]      vetha373ab6 request #191.001 172.17.0.1 -> 172.17.0.2",
        f"[  {WEB}]             eth0 request #191.001 172.17.0.1 -> 172.17.0.2",
        f"[  {WEB}]             eth0   reply #191.001 172.17.0.2 -> 172.17.0.1",
        f"[  {HOST}]      vetha373ab6   reply #191.001 172.17.0.2 -> 172.17.0.1",
        f"[  {HOST}]          docker0   reply #191.001 172.17.0.2 -> 172.17.0.1",
    ]


def test_as_a_stream_it_says_the_same(corpus: Path) -> None:
    command = [str(Path(sys.executable).with_name("perfpath")), "report", "--format", "jsonl"]
    recording = corpus / "tprobe-6.12.data"
    whole = subprocess.run([*command, str(recording)], check=True, capture_output=True, text=True)
    with recording.open("rb") as stdin:
        streamed = subprocess.run([*command, "-"], stdin=stdin, check=True, capture_output=True, text=True)
    assert whole.stdout == streamed.stdout
    assert '"icmp_id": 191, "icmp_seq": 1}' in whole.stdout
