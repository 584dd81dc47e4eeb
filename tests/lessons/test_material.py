"""Recordings prepared for the lesson: what they are made of, and how far they can be trusted."""

from __future__ import annotations

from pathlib import Path

import pytest
from witness import events_of

from perfpath.errors import InputError, UsageError
from perfpath.lessons.answers import answers
from perfpath.lessons.lesson import Lesson
from perfpath.lessons.material import read
from perfpath.lessons.samples import load, load_folder
from perfpath.lessons.scenarios import SCENARIOS, names
from perfpath.lessons.steps import pages
from perfpath.lessons.truth import truth_of

SAMPLES = Path(__file__).resolve().parents[2] / "samples"


def step_5(lesson: Lesson) -> str:
    return repr(next(iter(pages(lesson, [5]))).blocks)


def test_the_samples_are_all_there_with_their_commands() -> None:
    materials = load()
    assert [material.name for material in materials] == names(SCENARIOS)
    assert all(material.command and not material.doubts and not material.holes for material in materials)
    assert [material.name for material in load_folder(SAMPLES, ["vxlan", "loopback"])] == ["loopback", "vxlan"]


def test_a_reply_starts_where_the_request_ended() -> None:
    ping = """
        net_dev_queue br A 98
        netif_rx eth0 A 84
        net_dev_queue eth0 B 98
        netif_rx br B 84
    """
    assert answers(truth_of(events_of(ping)).packets) == {0: 1}
    late = ping.replace("net_dev_queue eth0 B 98", "net_dev_queue eth0 B 98 +90000000")
    assert answers(truth_of(events_of(late)).packets) == {}
    for name, expected in (("container", 2), ("external", 2), ("loopback", 2), ("drop", 0)):
        assert len(answers(load([name])[0].truth.packets)) == expected


def test_packets_in_a_hole_of_the_recording_are_not_judged(corpus: Path) -> None:
    material = read(str(corpus / "lost.data"))
    assert material.diagnostics.lost == 54481
    assert material.holes > 0
    assert sum(shape.count for shape in material.shapes) == len(material.truth.packets) - material.holes
    said = step_5(Lesson((material,)))
    assert f"{material.holes} packets are left out" in said
    assert "'doubled'" not in said


def test_a_recording_of_a_selection_is_a_poor_witness(corpus: Path) -> None:
    material = read(str(corpus / "perf-6.1" / "four.data"))
    assert "net_dev_xmit" in material.doubts[0]
    assert "not every net:* event was recorded" in step_5(Lesson((material,)))


def test_equally_good_sets_are_called_so(corpus: Path) -> None:
    lesson = Lesson((read(str(corpus / "kernel-6.18" / "tcp.data")),))
    assert [set(verdict.events) for verdict in lesson.best] == [
        {"net_dev_queue", "netif_receive_skb"},
        {"net_dev_queue", "netif_rx"},
    ]
    assert "No set is better" in step_5(lesson)


def test_text_and_binary_teach_the_same(corpus: Path) -> None:
    binary = read(str(corpus / "perf-6.1" / "net-all.data"), "x")
    text = read(str(corpus / "perf-6.1" / "net-all.script-ns.txt"), "x")
    assert [(shape.places, shape.sequence) for shape in binary.shapes] == [
        (shape.places, shape.sequence) for shape in text.shapes
    ]
    assert text.line(0) == "net:net_dev_queue(dev=docker0 skbaddr=0xffff888133718c00 len=98)" == binary.line(0)


def test_what_is_no_lesson(tmp_path: Path, corpus: Path) -> None:
    with pytest.raises(InputError, match="no recording in it"):
        load_folder(tmp_path)
    with pytest.raises(UsageError, match="too many events"):
        read(str(corpus / "million.zstd.data"))
