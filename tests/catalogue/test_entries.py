"""The catalogue knows what the running kernel can say, and is honest where it doesn't."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from perfpath.catalogue import entries
from perfpath.cli import main
from perfpath.readers.perfdata.formats import Format, parse_format

FORMAT = Path("/sys/kernel/tracing/events/skb/kfree_skb/format")
PLACEHOLDERS = {"source", "destination", "netns", "enter", "dev", "hook", "location", "function"}


def kernel_format() -> Format:
    try:
        return parse_format(FORMAT.read_text(), "skb")
    except OSError as error:
        pytest.skip(f"the running kernel's formats can't be read: {error}")


@pytest.mark.perf
def test_every_reason_of_this_kernel_is_explained_or_admitted_as_unknown() -> None:
    symbols = kernel_format().symbols.get("reason")
    if symbols is None:
        pytest.skip("this kernel has no drop reasons (before 5.17)")
    unknown = []
    for name in symbols.texts.values():
        entry = entries.reason_of(name)
        assert name in (entry.name, entry.meaning) or entry.known
        if not entry.known:
            unknown.append(name)
    assert len(symbols.texts) > 20
    assert set(unknown) <= {"MAX"}, "new reasons of this kernel: add them to reasons.toml"


@pytest.mark.parametrize("table", [entries.reasons(), entries.places()], ids=["reasons", "places"])
def test_entries_are_sentences_with_known_placeholders(table: dict[str, entries.Reason]) -> None:
    for entry in table.values():
        assert entry.meaning
        assert not entry.meaning.endswith(".")
        for text in (entry.meaning, *entry.look):
            assert set(re.findall(r"\{(\w*)\}", text)) <= PLACEHOLDERS, entry.name
            assert "{" not in entries.filled(text, {})


def test_alarms_name_an_outcome_of_ours_and_places_name_real_reasons() -> None:
    for place in entries.places().values():
        assert place.outcome in ("", "delivered", "merged", "copied", "answered", "left"), place.name
        assert place.alarm or not (place.outcome or place.only), place.name
        assert place.only in ("", "reply", "unseen")
        assert {reason for reason in place.reasons if reason} <= set(entries.reasons()), place.name


def test_what_only_a_function_tells_from_a_drop_is_unsure_without_it() -> None:
    for place in entries.places().values():
        reasons = place.reasons or place.name.split()[1:]
        for reason in reasons if place.alarm else ():
            assert entries.reason_of(reason).unsure, (place.name, reason)
    assert not entries.reason_of("NETFILTER_DROP").unsure


def test_a_function_counts_before_a_general_reason_and_not_before_a_telling_one() -> None:
    assert "blackhole" in entries.meant("NOT_SPECIFIED", "ip_error+0x94").meaning
    assert "no route" in entries.meant("IP_INNOROUTES", "ip_error+0x94").meaning
    assert "longer" in entries.meant("PKT_TOO_BIG", "ip_forward+0x2c0").meaning
    assert "time to live" in entries.meant("IP_INHDR", "ip_forward+0x2c0").meaning
    assert "IP header" in entries.meant("IP_INHDR", "ip_rcv_core+0x10").meaning


def test_what_nobody_explained_yet_is_told_as_such() -> None:
    entry = entries.meant("BRAND_NEW_REASON", "some_function+0x1")
    assert not entry.known
    assert "BRAND_NEW_REASON" in entry.meaning
    assert entries.meant("", "0xffffffff81f63638").meaning == "no reason recorded by this kernel"


def test_placeholders_are_filled_with_what_is_given() -> None:
    text = entries.filled("{enter}nft list ruleset # {netns}", {"enter": "ip netns exec web ", "netns": "web"})
    assert text == "ip netns exec web nft list ruleset # web"
    assert entries.filled("{dev} {hook}", {"dev": "{netns}"}) == "{netns} hook unknown"


@pytest.mark.parametrize(
    ("location", "function"),
    [
        ("nft_do_chain+0x3e8", "nft_do_chain"),
        ("__netif_receive_skb_core.constprop.0+0x7e6", "__netif_receive_skb_core"),
        ("br_flood.isra.0.cold+0x1 [bridge]", "br_flood"),
        ("0xffffffff81f63638", ""),
        ("", ""),
    ],
)
def test_functions_of_locations(location: str, function: str) -> None:
    assert entries.function_of(location) == function


def test_hooks_come_from_the_caller_of_the_hook() -> None:
    drop = ["sk_skb_reason_drop", "nft_do_chain", "nft_do_chain_inet", "nf_hook_slow"]
    assert entries.hook_of([*drop, "ip_local_deliver", "ip_rcv"]) == "INPUT"
    assert entries.hook_of([*drop, "__ip_local_out", "ip_output"]) == "OUTPUT"
    assert entries.hook_of([*drop, "unheard_of", "ip_forward"]) == "FORWARD"
    assert entries.hook_of(["ip_local_deliver"]) == ""


def test_hooks_of_a_bridge() -> None:
    """Its first hook is called without nf_hook_slow, and what it sends itself passes the function that forwards."""
    rules, slow = ["nft_do_chain", "nft_do_chain_bridge"], "nf_hook_slow"
    assert entries.hook_of([*rules, "br_handle_frame", "__netif_receive_skb_core"]) == "bridge PREROUTING"
    assert entries.hook_of([*rules, slow, "__br_forward", "br_forward", "br_handle_frame_finish"]) == "bridge FORWARD"
    assert entries.hook_of([*rules, slow, "__br_forward", "br_flood", "br_dev_xmit"]) == "bridge OUTPUT"
    assert entries.hook_of([*rules, slow, "br_forward_finish", "__br_forward", "br_dev_xmit"]) == "bridge POSTROUTING"
    assert entries.hook_of(["nft_do_chain_inet", slow, "br_nf_forward_ip", slow, "__br_forward"]) == "FORWARD (bridged)"
    assert entries.hook_of(["br_handle_frame", "__netif_receive_skb_core"]) == ""


def test_one_entry_may_hold_for_several_functions() -> None:
    names = ("neigh_invalidate", "arp_error_report", "ndisc_error_report")
    assert len({entries.meant("NOT_SPECIFIED", f"{name}+0x1").meaning for name in names}) == 1
    assert entries.meant("NO_SOCKET", "icmpv6_rcv+0x2").meaning == entries.meant("NO_SOCKET", "ping_rcv+0x2").meaning
    assert [each.name for each in entries.find("tpacket_rcv")] == ["tpacket_rcv"]


def test_what_is_harmless_of_multicasts_is_not_of_unicasts() -> None:
    """One function frees multicasts that nobody joined and (before Linux 6.13) martians, for no reason of their own."""
    where = ("NOT_SPECIFIED", "ip_rcv_finish_core.constprop.0+0x1ac")
    assert entries.meant(*where).harmless
    martian = entries.meant(*where, unicast=True)
    assert "source" in martian.meaning
    assert not martian.harmless
    assert entries.meant("TCP_RESET", "tcp_reset+0x1", unicast=True).harmless


def test_explain_prints_an_entry_by_any_of_its_names(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("NETFILTER_DROP", "netfilter_drop", "SKB_DROP_REASON_NETFILTER_DROP"):
        assert main(["explain", name]) == 0
        assert "nft list ruleset" in capsys.readouterr().out
    assert main(["explain", "ping_rcv+0xab"]) == 0
    assert "No drop" in capsys.readouterr().out


def test_explain_names_near_matches(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "NETFILTER"]) == 2
    assert "did you mean NETFILTER_DROP" in capsys.readouterr().err
    assert main(["explain", "\x1b[31mno such thing"]) == 2
    assert "\x1b" not in capsys.readouterr().err


def test_explain_lists_everything(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain"]) == 0
    out = capsys.readouterr().out
    assert all(f"  {name} " in out for name in (*entries.reasons(), *entries.places()))
