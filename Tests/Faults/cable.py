#!/usr/bin/env python3
"""A cable between two network namespaces with a bandwidth and a delay, for kernels without netem.

usage: cable.py NAMESPACE BYTES_A_SECOND DELAY_SECONDS

Makes atelier0 here (10.77.0.1) and atelier1 in the namespace (10.77.0.2), both taps of this process,
and carries frames between them: each leaves when the line is free, takes its bytes over the bandwidth,
and arrives a delay later. Prints "ready" and runs until it is ended; the devices go with it.
"""
import collections
import ctypes
import fcntl
import os
import select
import struct
import subprocess
import sys
import time

MTU = 62_000  # few large frames: this process has to keep up with the network that it plays
SMALL = 300  # acknowledgements and the like go ahead, as fair queues of real devices let them
SET_TAP, TAP, BARE = 0x400454CA, 0x0002, 0x1000
NEW_NETWORK = 0x40000000


def tap(name):
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, SET_TAP, struct.pack("16sH22x", name.encode(), TAP | BARE))
    return device


def tap_inside(namespace, name):
    """A tap made while this thread is in the namespace."""
    library = ctypes.CDLL(None, use_errno=True)
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    there = os.open(f"/var/run/netns/{namespace}", os.O_RDONLY)
    try:
        if library.setns(there, NEW_NETWORK):
            raise OSError(ctypes.get_errno(), "setns")
        return tap(name)
    finally:
        library.setns(home, NEW_NETWORK)
        os.close(there)
        os.close(home)


class Line:
    """One direction: frames wait for the line, then for the delay."""

    def __init__(self, source, target, rate, delay):
        self.source, self.target, self.rate, self.delay = source, target, rate, delay
        self.free = 0.0
        self.frames = collections.deque()
        self.small = collections.deque()

    def take(self):
        """Reads what is there, but no more than a tenth of a second's frames: the sender's queue waits, too."""
        while len(self.frames) < 4096 and self.free < time.monotonic() + 0.1:
            try:
                frame = os.read(self.source, MTU + 100)
            except BlockingIOError:
                return
            now = time.monotonic()
            if len(frame) < SMALL:
                self.small.append((now + len(frame) / self.rate + self.delay, frame))
                continue
            self.free = max(self.free, now) + len(frame) / self.rate
            self.frames.append((self.free + self.delay, frame))

    def give(self):
        """Writes what has arrived; gives the time of the next."""
        for queue in (self.small, self.frames):
            while queue and queue[0][0] <= time.monotonic():
                try:
                    os.write(self.target, queue.popleft()[1])
                except OSError:
                    pass  # a network may lose a frame
        return min((queue[0][0] for queue in (self.small, self.frames) if queue), default=None)


def main():
    namespace, rate, delay = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
    here, there = tap("atelier0"), tap_inside(namespace, "atelier1")
    inside = ["ip", "netns", "exec", namespace]
    for before, name, address in (([], "atelier0", "10.77.0.1/24"), (inside, "atelier1", "10.77.0.2/24")):
        for words in (["ip", "link", "set", name, "mtu", str(MTU), "txqueuelen", "10000"],
                      ["ip", "addr", "add", address, "dev", name], ["ip", "link", "set", name, "up"]):
            subprocess.run(before + words, check=True)
    try:
        # A network does not wait until the ranks leave it a core.
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(10))
    except PermissionError:
        pass
    print("ready", flush=True)
    lines = [Line(here, there, rate, delay), Line(there, here, rate, delay)]
    while True:
        for line in lines:
            line.take()
        due = [moment for moment in (line.give() for line in lines) if moment]
        wait = min(due) - time.monotonic() if due else 1.0
        sources = [line.source for line in lines if line.free < time.monotonic() + 0.1]
        if wait > 0.0002:
            select.select(sources, [], [], wait if not due else max(wait - 0.0001, 0))
        # Nearer moments are waited for awake: a sleep would come late.


if __name__ == "__main__":
    main()
