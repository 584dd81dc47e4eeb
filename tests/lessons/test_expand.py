"""Print formats filled in: against perf script, printf's rules, and what can't be understood."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfpath.lessons.expand import expand, parse
from perfpath.lessons.material import read
from perfpath.lessons.scenarios import SCENARIOS

SAMPLES = Path(__file__).resolve().parents[2] / "samples"


def perf_script(file: Path) -> list[str]:
    with file.open("rb") as stream:
        done = subprocess.run(
            ["perf", "script", "--ns", "-F", "event,trace", "-i", "-"], stdin=stream, capture_output=True, check=True
        )
    lines = done.stdout.decode(errors="surrogateescape").splitlines()
    return [re.sub(r"^\s*\S+: +", "", line).strip() for line in lines]


@pytest.mark.perf
@pytest.mark.parametrize("name", [scenario.name for scenario in SCENARIOS])
def test_every_line_is_what_perf_script_prints(name: str) -> None:
    material = read(str(SAMPLES / name))
    theirs = perf_script(SAMPLES / name / "perf.data")
    assert len(theirs) == len(material.text) > 0
    for ours, line in zip(material.text, theirs, strict=True):
        # perf has kernel symbols of the machine it runs on; the recording has the address
        assert re.sub(r"location=\S+", "location=", ours) == re.sub(r"location=\S+", "location=", line)


@pytest.mark.perf
@pytest.mark.parametrize("file", ["perf-6.1/net-all.data", "perf-6.1/ipv6-loopback.mono.data"])
def test_recordings_of_other_machines_too(corpus: Path, file: str) -> None:
    done = subprocess.run(
        ["perf", "script", "--ns", "-F", "event,trace", "-i", corpus / file], capture_output=True, text=True, check=True
    )
    theirs = [re.sub(r"^\s*\S+: +", "", line).strip() for line in done.stdout.splitlines()]
    ours = [re.sub(r"location=\S+", "location=", text) for text in read(str(corpus / file)).text]
    assert ours == [re.sub(r"location=\S+", "location=", line) for line in theirs]


@given(
    st.text("abc =", max_size=5),
    st.sampled_from(["%d", "%u", "%x", "%#x", "%04x", "%08x", "%5d", "%-5d|", "%lu", "%hx", "%llx"]),
    st.integers(1, 2**31 - 1),
)
def test_numbers_are_printed_as_printf_does(before: str, directive: str, value: int) -> None:
    pythons = re.sub(r"ll|[lh]", "", directive).replace("%u", "%d")  # the same rules, without C's sizes
    assert expand(f'"{before}{directive}", REC->value', {"value": value}) == before + pythons % value


@pytest.mark.parametrize(
    ("print_fmt", "values", "line"),
    [
        ('"dev=%s len=%u", __get_str(name), REC->len', {"name": "a, (b)", "len": 98}, "dev=a, (b) len=98"),
        ('"at=%p", REC->at', {"at": 0}, "at=(nil)"),
        ('"at=%p", REC->at', {"at": 0xFFFF888100C2CA00}, "at=0xffff888100c2ca00"),
        ('"100%% %d", REC->n', {"n": -3}, "100% -3"),
        ('"why: %s", __print_symbolic(REC->r, { 2, "A, \\"B\\"" }, { 0x3, "C" })', {"r": 3}, "why: C"),
        ('"why: %s", __print_symbolic(REC->r, { 2, "A" })', {"r": 9}, "why: 0x9"),
        ('"a" "b=%d", REC->b', {"b": 1}, "ab=1"),
    ],
)
def test_the_kinds_of_arguments(print_fmt: str, values: dict[str, int | str], line: str) -> None:
    assert expand(print_fmt, values) == line


@pytest.mark.parametrize(
    "print_fmt", ['"%d", REC->a ? 1 : 2', "not a string", "", '"%d", REC->missing', '"%d %d", REC->value']
)
def test_what_is_not_understood_is_left_alone(print_fmt: str) -> None:
    assert expand(print_fmt, {"a": 1, "value": 2}) is None


@given(st.text('"%,(){}REC->a_dsx \\', max_size=40))
def test_no_text_breaks_it(print_fmt: str) -> None:
    parse(print_fmt)
    expand(print_fmt, {"a": 1})
