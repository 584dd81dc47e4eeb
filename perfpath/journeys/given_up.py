"""Which namespace gave up a packet whose neighbour didn't answer: that of the ICMP error it made of it.

The drop comes from a timer seconds later, on any CPU, and no device saw the packet. But arp_error_report
(net/ipv4/arp.c) and ndisc_error_report (net/ipv6/ndisc.c) send an ICMP error about it first, and free it then: on that
CPU the error's hops come directly before. Where none does (they are rate-limited), nothing is known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from perfpath.journeys.contents import are_reports, read_packets

if TYPE_CHECKING:
    from perfpath.firstbytes import FirstBytes
    from perfpath.journeys.engine import Pass
    from perfpath.tables import Array

REASON = "NEIGH_FAILED"
AT_ONCE_NS = 200_000


def given_up_at(done: Pass, rows: Array, others: Array, packets: FirstBytes | None) -> Array:
    """For each of these drops the namespace (inode number) where it was given up, 0 where nothing tells.

    rows: of the observed table, ascending; others: rows of all drops of the kind, each of which had its own error.
    """
    result = np.zeros(len(rows), dtype=np.uint32)
    observed, seen, chains = done.observed, done.seen, done.chains
    if packets is None or "packet" not in observed or not len(seen) or not len(rows):
        return result
    chain_of = np.repeat(np.arange(len(chains.starts)), chains.sizes)
    cpu, time = observed["cpu"], observed["time_ns"]
    for number, row in enumerate(rows.tolist()):
        near = np.flatnonzero((seen.rows < row) & (time[row] - seen.time < AT_ONCE_NS) & (seen.cpu == cpu[row]))
        if not len(near):
            continue
        chain = int(chain_of[near[np.argmax(seen.rows[near])]])
        first = int(chains.starts[chain])
        begun = int(seen.rows[first])
        alone = not ((others > begun) & (others < row) & (cpu[others] == cpu[row])).any()
        code = int(observed["packet"][begun])
        whole = alone and first in near and seen.tx[first] and code >= 0
        if whole and are_reports(read_packets(packets, np.array([code])))[0]:
            result[number] = done.located[int(chains.path[chain])].spots[0].netns
    return result
