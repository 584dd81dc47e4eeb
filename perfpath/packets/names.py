"""Names of numbers: protocols, ICMP types and codes, ports. IANA's, in tcpdump's words where it has some."""

from __future__ import annotations

ETHERTYPES = {0x0800: "ip", 0x86DD: "ip6", 0x0806: "arp", 0x8847: "mpls", 0x8848: "mpls", 4: "802.2", 1: "802.3"}

PROTOCOLS = {
    0: "hopopt",
    1: "icmp",
    2: "igmp",
    4: "ipip",
    6: "tcp",
    17: "udp",
    33: "dccp",
    41: "sit",
    47: "gre",
    50: "esp",
    51: "ah",
    58: "icmp6",
    59: "none",
    88: "eigrp",
    89: "ospf",
    103: "pim",
    108: "ipcomp",
    112: "vrrp",
    115: "l2tp",
    132: "sctp",
    136: "udplite",
    137: "mpls-in-ip",
}
PROTOCOL_NUMBERS = {name: number for number, name in PROTOCOLS.items()}

ICMP = {
    0: "echo reply",
    3: "unreachable",
    4: "source quench",
    5: "redirect",
    8: "echo request",
    9: "router advertisement",
    10: "router solicitation",
    11: "time exceeded",
    12: "parameter problem",
    13: "timestamp request",
    14: "timestamp reply",
    15: "information request",
    16: "information reply",
    17: "address mask request",
    18: "address mask reply",
}
ICMP_CODES = {
    (3, 0): "net unreachable",
    (3, 1): "host unreachable",
    (3, 2): "protocol unreachable",
    (3, 3): "port unreachable",
    (3, 4): "fragmentation needed",
    (3, 5): "source route failed",
    (3, 6): "net unknown",
    (3, 7): "host unknown",
    (3, 9): "net prohibited",
    (3, 10): "host prohibited",
    (3, 13): "filtered",
    (5, 0): "redirect for net",
    (5, 1): "redirect for host",
    (11, 0): "time exceeded in transit",
    (11, 1): "time exceeded in reassembly",
}
ICMP6 = {
    1: "unreachable",
    2: "packet too big",
    3: "time exceeded",
    4: "parameter problem",
    128: "echo request",
    129: "echo reply",
    130: "multicast listener query",
    131: "multicast listener report",
    132: "multicast listener done",
    133: "router solicitation",
    134: "router advertisement",
    135: "neighbour solicitation",
    136: "neighbour advertisement",
    137: "redirect",
    143: "multicast listener report v2",
}
ICMP6_CODES = {
    (1, 0): "no route",
    (1, 1): "prohibited",
    (1, 2): "beyond scope",
    (1, 3): "address unreachable",
    (1, 4): "port unreachable",
    (1, 5): "source policy failed",
    (1, 6): "route rejected",
    (3, 0): "time exceeded in transit",
    (3, 1): "time exceeded in reassembly",
}
ARP = {1: "request", 2: "reply", 3: "reverse request", 4: "reverse reply"}

PORTS = {
    "ftp-data": 20,
    "ftp": 21,
    "ssh": 22,
    "telnet": 23,
    "smtp": 25,
    "domain": 53,
    "dns": 53,
    "bootps": 67,
    "bootpc": 68,
    "tftp": 69,
    "http": 80,
    "kerberos": 88,
    "pop3": 110,
    "ntp": 123,
    "imap": 143,
    "snmp": 161,
    "bgp": 179,
    "ldap": 389,
    "https": 443,
    "syslog": 514,
    "ldaps": 636,
    "imaps": 993,
    "mysql": 3306,
    "postgresql": 5432,
    "vxlan": 4789,
    "mdns": 5353,
    "geneve": 6081,
    "redis": 6379,
}
"""For reading only: numbers are shown as numbers."""

TCP_FLAGS = ((2, "S"), (1, "F"), (4, "R"), (8, "P"), (16, "."), (32, "U"), (64, "E"), (128, "W"), (256, "e"))
"""Bit and letter, in tcpdump's order and letters."""
