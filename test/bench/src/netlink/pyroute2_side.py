"""What pyroute2 does in the netlink benchmark; see main.ts."""
import socket
import sys
from time import perf_counter_ns

from pyroute2 import IPRoute

rt = IPRoute()


def route_address(number):
    return f"10.{number >> 16 & 0xff}.{number >> 8 & 0xff}.{number & 0xff}"


def expect_count(what, count, expected):
    if count < expected:
        raise RuntimeError(f"{count} {what} in place of {expected}")


def routes(expected):
    expect_count("routes", len(list(rt.get_routes(family=socket.AF_INET, table=254))), expected)


def links(expected):
    expect_count("links", len(list(rt.get_links())), expected)


def link(index, times):
    for _ in range(times):
        rt.link("get", index=index)


def add(index, count):
    for number in range(count):
        rt.route("add", dst=f"{route_address(number)}/32", oif=index, scope=253)


def tc(first, devices, step):
    for index in range(first, first + devices * step, step):
        rt.tc("add", "clsact", index=index)
        rt.tc(
            "add-filter",
            "u32",
            index=index,
            parent=0xFFFFFFF3,
            prio=1,
            protocol=0x0800,
            target=0x10001,
            keys=["0x0a000000/0xff000000+16"],
        )


commands = {"routes": routes, "links": links, "link": link, "add": add, "tc": tc}
for line in sys.stdin:
    name, count, *numbers = line.split()
    results = []
    for _ in range(int(count)):
        start = perf_counter_ns()
        commands[name](*map(int, numbers))
        results.append(str(perf_counter_ns() - start))
    print(" ".join(results), flush=True)
