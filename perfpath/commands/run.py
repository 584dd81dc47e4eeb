"""`perfpath COMMAND`: trace a command, or the whole system, and show journeys as they happen."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import ExitStack, closing
from pathlib import Path
from time import monotonic, monotonic_ns
from typing import TYPE_CHECKING, TextIO

from perfpath import tracepoints
from perfpath.commands import options as shared
from perfpath.commands.packets import Joining, Watched, add_packets, explain, probed, watched_packets
from perfpath.errors import EXIT_OK, UsageError
from perfpath.start_up import give_back, import_numpy

if TYPE_CHECKING:
    from perfpath.capture.directory import CaptureDirectory
    from perfpath.capture.plan import Plan
    from perfpath.capture.session import Session
    from perfpath.commands.firewall import Heard
    from perfpath.commands.keeping import Beside
    from perfpath.commands.watching import Watch
    from perfpath.diagnostics import Diagnostics
    from perfpath.journeys.following import Following
    from perfpath.readers.recording import Decoder
    from perfpath.tables import Table

HELP = """Trace a command: show the way its packets took, hop by hop, as it happens.

The command keeps its standard input, output and error, its signals and its exit status; journeys go to standard error
(or -o FILE). Options after COMMAND are the command's own.

Shown are the packets of the command and its children, and everything of the same flows: replies, also those that arrive
in an interrupt, what the kernel sends of its own for them, ARP and ICMP errors. Others' packets are counted. This needs
the packets' bytes (--packets); without them, only what happens in the context of the command is seen: the way of its
packets through this host, and replies that are made at once, not those that arrive while somebody else is running.
--all (or -a) shows everything that this host sends and receives, while the command runs or until Ctrl-C."""

FILTERED = "filtered by the kernel: ways may lack hops"
NO_CONTENTS = (
    "filters by contents (--host, --port, --match, ...) need the packets' bytes, which this way of tracing doesn't "
    "show: trace as root, with --packets auto, socket or tprobe, and --backend record"
)
GIVING_BACK = 5.0  # seconds between two times that freed memory is given back
BEHIND = 1 << 19  # so many bytes at once mean that perf waited for us: then nothing is done twice
LATE_NS = 1_000_000_000  # what is shown so long after it happened wasn't shown as it happened
SILENCE = 0.025  # seconds without a byte from perf after which what it gave is shown without waiting for more


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `perfpath [run]`."""
    add_scope(parser)
    parser.add_argument(
        "--save", metavar="DIR", help="also keep what is traced in a new directory, for perfpath report"
    )
    add_tracing(parser)
    shared.add_output(parser)
    shared.add_tracking(parser)
    shared.add_filters(parser)
    add_command(parser)


def add_scope(parser: argparse.ArgumentParser) -> None:
    """What is traced."""
    parser.add_argument(
        "-a",
        "--all",
        "--all-cpus",
        dest="all_cpus",
        action="store_true",
        help="show the whole system's packets, not only those of the command's flows",
    )


def add_saving(parser: argparse.ArgumentParser) -> None:
    """Keeping what is shown."""
    parser.add_argument(
        "--save", metavar="DIR", help="also keep what is traced in a new directory, for perfpath report"
    )


def add_command(parser: argparse.ArgumentParser) -> None:
    """The traced command, last."""
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND", help="and its arguments")


def add_tracing(parser: argparse.ArgumentParser) -> None:
    """How perf is run."""
    group = parser.add_argument_group("tracing")
    group.add_argument(
        "--backend",
        choices=("auto", "record", "trace"),
        default="auto",
        help="perf record (default where it works) or perf trace",
    )
    add_packets(group)
    shared.add_depth(group)
    group.add_argument("--perf", metavar="PATH", help="the perf to use (default: one that runs on this kernel)")
    group.add_argument(
        "--kernel-filter",
        metavar="EXPR",
        default="",
        help="record only the hops of which the kernel finds this true, such as 'name == \"eth0\" && len > 100': "
        "cheaper, but ways are seen in part, and not what became of packets; filters of whole packets are those below",
    )
    group.add_argument("-m", "--buffer", metavar="SIZE", help="perf's buffer per CPU, as perf record -m takes it (4M)")


def execute(options: argparse.Namespace) -> int:
    """Trace; returns the command's exit status, or what --strict finds."""
    return trace(command_of(options), options)


def command_of(options: argparse.Namespace) -> tuple[str, ...]:
    """The command to trace, empty for all that happens until Ctrl-C. Raises UsageError where neither was asked for."""
    command = tuple(options.command[1:] if options.command[:1] == ["--"] else options.command)
    if not command and not options.all_cpus:
        raise UsageError("which command? perfpath COMMAND [ARGS...] traces one, perfpath -a the whole system")
    return command


def plan_of(
    command: tuple[str, ...], options: argparse.Namespace, extra: tuple[str, ...] = (), main: tuple[str, ...] = ()
) -> Plan:
    """The plan for a session. extra: more tracepoints than the four; main: dynamic events in place of the four."""
    from perfpath.capture.plan import Plan

    following = follows(command, options, probes=bool(main))
    main = main or tuple(event.name for event in tracepoints.MAIN)
    return Plan(
        command=command,
        system_wide=getattr(options, "all_cpus", False),
        following=following,
        events=tuple(dict.fromkeys((*main, *shared.more_events(options), *extra))),
        callchains=getattr(options, "why", False),
        kernel_filter=getattr(options, "kernel_filter", ""),
        backend=options.backend,
        perf=options.perf,
        buffer=options.buffer,
        output=getattr(options, "command_output", -1),
    )


def follows(command: tuple[str, ...], options: argparse.Namespace, *, probes: bool) -> bool:
    """Whether the command's flows are followed: there will be bytes. probes: dynamic events show them."""
    return bool(command) and not getattr(options, "all_cpus", False) and shows_bytes(options, probes=probes)


def shows_bytes(options: argparse.Namespace, *, probes: bool) -> bool:
    """Whether there will be packets' bytes, as far as that is known beforehand."""
    if options.backend == "trace":
        return False
    choice = getattr(options, "packets", "none")
    return probes or choice == "socket" or (choice == "auto" and os.geteuid() == 0)


def trace(command: tuple[str, ...], options: argparse.Namespace) -> int:
    """Trace a command (or, without one, until Ctrl-C) as the options say."""
    from perfpath.capture.session import Session
    from perfpath.commands.watching import watched

    contents = shared.contents(options)  # what is wrong with them is said before anything runs
    with ExitStack() as stack:
        main, why = probed(options, stack)
        if contents and not shows_bytes(options, probes=bool(main)):
            raise UsageError(NO_CONTENTS)
        session = stack.enter_context(Session(plan_of(command, options, main=main)))
        explain(why, session.diagnostics)
        session.start()  # perf starts up while the rest is imported and the inventory taken
        import_numpy()
        from perfpath.commands.results import opened

        stream = stack.enter_context(opened(options.output, sys.stderr if command else sys.stdout))
        from perfpath.commands.keeping import Beside

        kept = _kept(getattr(options, "save", None), stack)
        with watched(session.diagnostics) as watch:
            packets = None if main else sighted(options, watch, session, stack)
            heard = listened(options, watch, session, stack)
            live = Live(session, watch, stream, options, packets)
            live.heard = heard
            for each in (packets, heard):
                if each is not None and kept is not None:
                    each.keep(kept)
            beside = None if kept is None else Beside(kept, session, watch)
            live.show(kept, beside)
        diagnostics = live.finish()
        if beside is not None:
            beside.finish()
        status = EXIT_OK if session.child_status is None else session.child_status
        return shared.judged(diagnostics, strict=options.strict, otherwise=status)


def warm_up() -> None:
    """Have at hand what the first packet needs, while perf still starts up: it shall be shown at once."""
    import numpy as np

    from perfpath.firstbytes import PACKET
    from perfpath.journeys import following  # noqa: F401
    from perfpath.packets import joiner  # noqa: F401
    from perfpath.packets.traits import traits_of
    from perfpath.readers import perfdata  # noqa: F401

    traits_of(np.zeros(1, PACKET))
    np.unique(np.zeros(1))  # loads numpy.ma


class Live:
    """Journeys shown as they happen."""

    def __init__(
        self, session: Session, watch: Watch, stream: TextIO, options: argparse.Namespace, packets: Watched | None
    ) -> None:
        from perfpath.capture.kallsyms import Kallsyms
        from perfpath.commands.results import Results, Shown
        from perfpath.journeys.tracker import Tracker

        self._session = session
        self.heard: Heard | None = None
        self._watch = watch
        self._version = -1
        self._rested = 0.0  # until then, more packets than a few thousand wait to be looked at
        self._behind = False
        self._late = Lateness()
        symbols = Kallsyms()
        symbols.begin()
        warm_up()
        session.release()
        self._decoder = _decoder(session)
        following = self._following()
        tracking = shared.tracking(options, self._decoder, symbols)
        self._tracker = Tracker(watch.inventory, self._decoder.diagnostics, tracking)
        wanted = shared.selection(options, self._decoder.info)
        info, raw = self._decoder.info, self._decoder.packets
        scope = scope_of(session, "tprobe" if probing(session.plan) else "" if packets is None else "socket")
        shown = Shown(info, watch.inventory, raw, following, scope)
        self._results = Results(stream, options, wanted, shown, live=True)
        comparable = session.backend == "record"  # certain since the release
        plan = session.plan
        whole = (plan.system_wide or session.followed is not None) and not plan.kernel_filter
        self._joining = Joining(packets, self._decoder, whole=whole) if packets is not None and comparable else None

    def _following(self) -> Following | None:
        from perfpath.commands.results import following_of

        pid = self._session.followed
        if pid is None or (follow := getattr(self._decoder, "follow", None)) is None:
            return None
        return following_of(follow(pid), self._decoder.packets)

    def show(self, kept: CaptureDirectory | None, beside: Beside | None) -> None:
        """Show (and keep) what perf gives until it ends."""
        if kept is not None and beside is not None:
            kept.begin(self._session.backend)
            beside.begin()
        given_back = monotonic()
        while (data := self._session.read(SILENCE)) is not None:
            if monotonic() - given_back > GIVING_BACK:
                give_back()
                given_back = monotonic()
            if data:
                self._decoder.feed(data)
            if data and kept:
                kept.write(data)
            if beside is not None:
                beside.follow()
            events = self._decoder.take(idle=not data)
            self._behind = len(data) >= BEHIND
            self._follow(events if self._joining is None else self._joining.feed(events))
        events = self._decoder.close()
        self._follow(events if self._joining is None else self._joining.close(events))

    def _follow(self, events: Table) -> None:
        if self.heard is not None:
            self._tracker.hear(self.heard.take())
        if len(events) and self._watch.version != self._version:
            self._version = self._watch.version
            self._know()
        if len(events):
            began = monotonic()
            soon = began >= self._rested and not self._behind
            update = self._tracker.feed(events, soon=soon)
            self._results.update(update)
            self._late.see(events, update.open)
            ended = monotonic()
            self._rested = ended + (ended - began)  # half of the time is for reading, whatever comes

    def _know(self) -> None:
        """Place by what is known of the host by now; by its times too, once the stream has told its clock."""
        self._tracker.know(self._watch.inventory, monotonic=self._decoder.info.monotonic)

    def finish(self) -> Diagnostics:
        """Show the rest and the summary; the inventory knows everything by now."""
        diagnostics = self._decoder.diagnostics
        self._know()
        self._results.result(self._tracker.close())
        diagnostics.absorb(self._session.diagnostics)
        late = self._late.most_ns if self._decoder.info.monotonic else 0
        self._results.finish(diagnostics, late_ns=late if late >= LATE_NS else 0)
        return diagnostics


class Lateness:
    """How long after it happened what was seen was shown. most_ns: at most, for times that are CLOCK_MONOTONIC."""

    def __init__(self) -> None:
        self.most_ns = 0
        self._since: int | None = None  # the time of the first event that waits
        self._shown: object = None

    def see(self, events: Table, shown: object) -> None:
        """The next events, and what is shown now: the same as before where they wait to be looked at."""
        first = int(events["time_ns"][0])
        self._since = first if self._since is None else min(self._since, first)
        if shown is not self._shown:
            self._shown = shown
            self.most_ns = max(self.most_ns, monotonic_ns() - self._since)
            self._since = None


def probing(plan: Plan) -> bool:
    """Whether dynamic events on the tracepoints are traced, which show the packets' bytes."""
    from perfpath.capture.kernelfilter import OURS

    return any(event.startswith(OURS) for event in plan.events)


def scope_of(session: Session, shower: str) -> str:
    """What the summary says of what was traced. shower: what shows packets' bytes, as --packets names it, or ""."""
    plan, found = session.plan, []
    if plan.command and not plan.system_wide and session.followed is None:
        found.append("seen in the command's own context only")
    if session.followed is not None and not shower:
        found.append("no packet's bytes are known: only what the command sent, and answers to it")
    if shower and session.backend == "record":
        found.append(f"bytes: {shower}")
    if plan.kernel_filter:
        found.append(FILTERED)
    return ", ".join(found)


def listened(options: argparse.Namespace, watch: Watch, session: Session, stack: ExitStack) -> Heard | None:
    """Who hears the verdicts of the user's own nftables trace rules, where --decisions asks for them."""
    if not getattr(options, "decisions", False) or session.backend != "record":
        return None
    from perfpath.commands.firewall import Heard

    return stack.enter_context(Heard(watch, session.diagnostics))


def sighted(options: argparse.Namespace, watch: Watch, session: Session, stack: ExitStack) -> Watched | None:
    """The packet sockets that the options ask for; they are open before the command runs."""
    found = watched_packets(getattr(options, "packets", "none"), watch, live=session.backend == "record")
    return None if found is None else stack.enter_context(found)


def _kept(path: str | None, stack: ExitStack) -> CaptureDirectory | None:
    if path is None:
        return None
    from perfpath.capture.directory import CaptureDirectory

    return stack.enter_context(closing(CaptureDirectory(path)))


def _decoder(session: Session) -> Decoder:
    if session.format == "perf trace":
        from perfpath.readers.text.decoder import TextDecoder

        decoder = TextDecoder()
        if session.child is not None:
            pid, name = session.child
            decoder.rename(pid, Path(sys.executable).name, name)  # until it was executed it had our holder's name
        return decoder
    from perfpath.readers.perfdata import PipeDecoder

    return PipeDecoder()


def say(text: str) -> None:
    """A remark of ours beside the results."""
    sys.stderr.write(f"perfpath: {text}\n")
