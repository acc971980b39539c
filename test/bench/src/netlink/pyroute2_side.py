"""What pyroute2 does in the netlink benchmark; see main.ts."""
import socket
import struct
import sys
from time import perf_counter_ns

from pyroute2 import IPBatch, IPRoute

rt = IPRoute()
# How many requests go out at once where they are batched: their acknowledgements must fit the receive buffer.
AT_ONCE = 64
NLMSG_ERROR = 2


class Batches:
    """What IPBatch puts together, sent by a socket of its own: the package leaves the answers to its user."""

    def __init__(self):
        self.requests = IPBatch()
        self.count = 0
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
        self.socket.bind((0, 0))

    def added(self):
        self.count += 1
        if self.count >= AT_ONCE:
            self.send()

    def send(self):
        if self.count == 0:
            return
        self.socket.send(self.requests.batch)
        self.requests.reset()
        for _ in range(self.count):
            answer = self.socket.recv(65536)
            kind, error = struct.unpack_from("=4xH10xi", answer)
            if kind != NLMSG_ERROR or error != 0:
                raise RuntimeError(f"message {kind}, error {error}")
        self.count = 0


batches = Batches()


def route_address(number):
    return f"10.{number >> 16 & 0xff}.{number >> 8 & 0xff}.{number & 0xff}"


def expect_count(what, count, expected):
    if count < expected:
        raise RuntimeError(f"{count} {what} in place of {expected}")


def routes(expected):
    expect_count("routes", len(list(rt.get_routes(family=socket.AF_INET, table=254))), expected)


def look(link):
    """Reads what the other sides read of a link."""
    return link["index"], link["flags"], link.get_attr("IFLA_IFNAME"), link.get_attr("IFLA_MTU")


def links(expected):
    count = 0
    for one in rt.get_links():
        if all(look(one)) and one.get_attr("IFLA_STATS64")["rx_bytes"] is not None:
            count += 1
    expect_count("links", count, expected)


def link(index, times):
    for _ in range(times):
        if not all(look(rt.link("get", index=index)[0])):
            raise RuntimeError("a link without a name")


def add(index, count):
    for number in range(count):
        rt.route("add", dst=f"{route_address(number)}/32", oif=index, scope=253)


def add_batched(index, count):
    for number in range(count):
        batches.requests.route("add", dst=f"{route_address(number)}/32", oif=index, scope=253)
        batches.added()
    batches.send()


def add_clsact(api, index):
    api.tc("add", "clsact", index=index)


def add_filter(api, index):
    api.tc(
        "add-filter",
        "u32",
        index=index,
        parent=0xFFFFFFF3,
        prio=1,
        protocol=0x0800,
        target=0x10001,
        keys=["0x0a000000/0xff000000+16"],
    )


def tc(first, devices, step):
    for index in range(first, first + devices * step, step):
        add_clsact(rt, index)
        add_filter(rt, index)


def tc_batched(first, devices, step):
    for index in range(first, first + devices * step, step):
        add_clsact(batches.requests, index)
        batches.added()
        add_filter(batches.requests, index)
        batches.added()
    batches.send()


commands = {
    "routes": routes,
    "links": links,
    "link": link,
    "add": add,
    "addBatched": add_batched,
    "tc": tc,
    "tcBatched": tc_batched,
}
for line in sys.stdin:
    name, count, *numbers = line.split()
    results = []
    for _ in range(int(count)):
        start = perf_counter_ns()
        commands[name](*map(int, numbers))
        results.append(str(perf_counter_ns() - start))
    print(" ".join(results), flush=True)
