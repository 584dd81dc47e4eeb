"""What `perf trace` is given to run instead of the command: it starts the command inside what perf traces.

`perf trace` follows children only of a workload of its own, ends with that, and says nothing about readiness; a Ctrl-C
would end it while the command goes on. So perf's workload is this program. perf starts it when the events are on: that
is the readiness signal. It starts the command from a process in between that ends at once, so that the command becomes
a child of perfpath (the nearest subreaper), whose exit status and signals are then perfpath's to see. It lives until
perfpath closes the channel, or dies; then perf ends too.

    perfpath -- perf trace -- holder -- (in between, ends at once) -- command     the command's parent then is perfpath

The channel is a stream socket. To perfpath: "ready"; then the command's pid and the errno of its execve, 0 where that
went well. From perfpath: the order, one line of JSON; later nothing, until its end.
Run as a script, by its path and isolated: nothing of perfpath can be imported here.
"""

import json
import os
import signal
import sys

DEAF = (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP, signal.SIGTSTP)
PIECE = 1 << 16


def main() -> None:
    """Arguments: the channel's descriptor, that of the command's own stderr, perfpath's process group."""
    channel, stderr, group = map(int, sys.argv[1:4])
    os.set_inheritable(channel, False)
    for number in DEAF:
        signal.signal(number, signal.SIG_IGN)
    os.setpgid(0, group)  # the terminal's foreground may be there, and the command is to be in it
    os.write(channel, b"ready\n")
    order = read_line(channel)
    if order:
        os.dup2(stderr, 2)
        os.close(stderr)
        pid, errno = start(json.loads(order))
        os.write(channel, b"%d %d\n" % (pid, errno))
    while os.read(channel, PIECE):
        pass


def read_line(channel: int) -> bytes:
    """One line, after which nothing comes; empty where the channel ends first."""
    line = bytearray()
    while not line.endswith(b"\n"):
        piece = os.read(channel, PIECE)
        if not piece:
            return b""
        line += piece
    return bytes(line)


def start(order: dict[str, list[str]]) -> tuple[int, int]:
    """Start the command, whose parent ends before it goes on; gives its pid and the errno of its execve."""
    go, let_go = os.pipe()
    result, tell = os.pipe()
    middle = os.fork()
    if middle == 0:
        if os.fork() == 0:
            os.close(let_go)
            become(order, go, tell)
        os._exit(0)
    os.close(tell)
    os.waitpid(middle, 0)
    os.write(let_go, b"!")
    said = b""
    while piece := os.read(result, PIECE):  # its end is the execve, which closes the other side
        said += piece
    pid, _, errno = said.partition(b" ")
    return int(pid), int(errno or 0)


def become(order: dict[str, list[str]], go: int, tell: int) -> None:
    """Turn into the command."""
    try:
        os.read(go, 1)
        os.write(tell, b"%d " % os.getpid())
        ignored = set(map(int, order["ignored"]))
        for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:  # perf ignores some too
            signal.signal(number, signal.SIG_IGN if number in ignored else signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, map(int, order["blocked"]))  # perf blocks SIGWINCH
        environment = dict(zip(order["names"], order["values"], strict=True))
        os.execve(order["path"][0], order["command"], environment)  # noqa: S606 - running it is the point
    except OSError as error:
        os.write(tell, b"%d" % (error.errno or 0))
    finally:
        os._exit(127)


if __name__ == "__main__":
    main()
