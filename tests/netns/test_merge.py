"""Looks put together: nothing that ever stood there is lost, and times are never too narrow."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from perfpath.netns.inventory import Interface, Inventory, Namespace
from perfpath.netns.merge import merge

HOST = Namespace(7, "host", "host", interfaces=(Interface(7, 1, "lo"),))


def web(cookie: int, *interfaces: Interface, name: str = "web", origin: str = "docker") -> Namespace:
    return Namespace(8, name, origin, interfaces=interfaces, cookie=cookie)


def look(at: int, *namespaces: Namespace) -> Inventory:
    return Inventory(namespaces, at, at + 5)


def test_what_lived_in_between_has_both_times() -> None:
    merged = merge(merge(look(10, HOST), look(20, HOST, web(3))), look(30, HOST))
    gone, host = merged.namespaces
    assert (gone.name, gone.born_ns, gone.gone_ns) == ("web", 10, 35)
    assert (host.born_ns, host.gone_ns) == (None, None)
    assert [namespace.name for namespace in merged.at(22).namespaces] == ["web", "host"]
    assert [namespace.name for namespace in merged.at(36).namespaces] == ["host"]


def test_between_two_looks_that_differ_there_may_have_been_more() -> None:
    """Until it was quiet no more what was there is certain, and from the look on what that found."""
    more = web(3, Interface(8, 2, "eth0"))
    quiet = merge(look(10, HOST, web(3)), look(20, HOST, web(3)))
    assert quiet.gaps == ()
    came = merge(quiet, look(30, HOST, more), quiet=27, heard={8})
    (eth0,) = came.by_inum[8].interfaces
    assert (came.gaps, eth0.born_ns, eth0.first_ns) == (((27, 35),), 20, 35)
    went = merge(came, look(40, HOST, web(3)), quiet=38, heard={8})
    (eth0,) = went.by_inum[8].interfaces
    assert (went.gaps[1:], eth0.last_ns, eth0.gone_ns) == (((38, 45),), 38, 45)
    silent = merge(came, look(40, HOST, web(3)), quiet=38)  # nobody would have told of it
    assert (silent.gaps[1:], silent.by_inum[8].interfaces[0].last_ns) == (((30, 45),), 30)
    gone = merge(silent, look(50, HOST))
    assert (gone.gaps[2:], gone.by_inum[8].last_ns, gone.by_inum[8].gone_ns) == (((40, 55),), 40, 55)


def test_where_a_look_missed_something_there_is_a_gap() -> None:
    missed = replace(look(20, HOST), gaps=((20, 25),))
    assert merge(look(10, HOST), missed).gaps == ((10, 25),)


def test_an_inode_given_out_again_is_another_namespace() -> None:
    merged = merge(look(10, HOST, web(3)), look(20, HOST, web(4)))
    assert [(each.cookie, each.born_ns, each.gone_ns) for each in merged.namespaces if each.inum == 8] == [
        (3, None, 25),
        (4, 10, None),
    ]
    assert merged.by_inum[8].cookie == 4


def test_what_a_deeper_look_adds_may_always_have_been_there() -> None:
    assert merge(look(10, HOST), look(20, HOST, web(3)), deeper=True).by_inum[8].born_ns is None


def test_a_renamed_interface_is_kept_under_both_names() -> None:
    before = web(3, Interface(8, 2, "veth9", "veth", peer=4, peer_netns=7))
    after = web(3, Interface(8, 2, "eth0", "veth", peer=4, peer_netns=7))
    old, new = merge(look(10, before), look(20, after)).namespaces[0].interfaces
    assert (old.name, old.born_ns, old.gone_ns) == ("veth9", None, 25)
    assert (new.name, new.born_ns, new.gone_ns) == ("eth0", 10, None)


def test_another_master_is_another_version_and_a_first_master_is_not() -> None:
    free, port, other = (Interface(8, 2, "eth0", "veth", master=master) for master in (0, 5, 6))
    once = merge(look(10, web(3, free)), look(20, web(3, port)))
    assert [(each.master, each.gone_ns) for each in once.namespaces[0].interfaces] == [(5, None)]
    twice = merge(once, look(30, web(3, other)))
    assert [(each.master, each.gone_ns) for each in twice.namespaces[0].interfaces] == [(5, 35), (6, None)]


def test_an_end_once_verified_stays_known_while_it_is_torn_down() -> None:
    paired = Interface(8, 2, "eth0", "veth", peer=4, peer_netns=7)
    merged = merge(look(10, web(3, paired)), look(20, web(3, replace(paired, peer=0, peer_netns=0))))
    assert merged.namespaces[0].interfaces == (paired,)


def test_a_name_by_chance_gives_way_and_never_comes_back() -> None:
    nginx = web(3, name="nginx[9]", origin="process")
    assert merge(look(10, nginx), look(20, web(3))).by_inum[8].name == "web"
    assert merge(look(10, web(3)), look(20, nginx)).by_inum[8].name == "web"
    file = web(3, name="netns-5ab3e0c1", origin="mount")  # what podman and CNI plugins make, before and after a process
    for name in (nginx, web(3)):
        assert merge(merge(look(10, file), look(20, name)), look(30, file)).by_inum[8].name == name.name
    by_id = web(3, name="643de0a7ddde")  # docker's file, which outlives the process; or nobody tells the name
    assert merge(merge(look(10, by_id), look(20, web(3))), look(30, by_id)).by_inum[8].name == "web"
    assert merge(look(10, nginx), look(20, by_id)).by_inum[8].name == "nginx[9]"


@given(st.lists(st.sets(st.tuples(st.integers(1, 3), st.integers(1, 4))), min_size=1, max_size=8))
def test_each_look_is_found_again_at_its_time(looks: list[set[tuple[int, int]]]) -> None:
    """What a look saw is in the merged inventory at that look's time, and nothing stands there twice at the end."""
    taken = []
    for number, seen in enumerate(looks):
        spaces = dict(sorted(seen))
        taken.append(look(number * 10, *(Namespace(inum, str(inum), cookie=cookie) for inum, cookie in spaces.items())))
    merged = taken[0]
    for each in taken[1:]:
        merged = merge(merged, each)
    for each in taken:
        then = merged.at(each.taken_ns or 0)
        keys = [(namespace.inum, namespace.cookie) for namespace in then.namespaces]
        assert {(namespace.inum, namespace.cookie) for namespace in each.namespaces} <= set(keys)
    living = [namespace.inum for namespace in merged.namespaces if namespace.gone_ns is None]
    assert sorted(living) == sorted(namespace.inum for namespace in taken[-1].namespaces)
