import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { basename } from "node:path";
import { MessageFlag, NetworkNamespace, Socket } from "@weir/syscall";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  BpfLink,
  BpfProgram,
  detachSocket,
  detachXdp,
  LegacyLink,
  queryPrograms,
  queryXdp,
  TcFilter,
} from "../index.js";
import { address, counting, ip, sendPacket } from "../testing/attach.js";
import { needs, temporaryNamespace, testWith, testWithout } from "../testing/kernel.js";
import { thrown } from "../testing/thrown.js";

const test = suite("attaching to the network");

/** A namespace whose loopback is up. */
function loopback() {
  const netns = temporaryNamespace();
  ip(netns.path, "link", "set", "lo", "up");
  return netns;
}

testWith(test, needs.tcx, "a tcx program handles packets until its link is closed", () => {
  using netns = loopback();
  using counter = counting("tc_next");
  {
    using link = counter.program.attachTcx({ ifindex: 1, direction: "egress", netns: netns.path });
    sendPacket(netns.path);
    assert.ok(counter.hits() > 0);
    assert.instance(link, BpfLink);
    assert.not.instance(link, LegacyLink);
  }
  const before = counter.hits();
  sendPacket(netns.path);
  assert.is(counter.hits(), before);
});

testWith(test, needs.tcx, "tcx programs run in the order that was asked for", () => {
  using netns = loopback();
  using first = counting("tc_drop");
  using second = counting("tc_next");
  const place = { ifindex: 1, direction: "egress", netns: netns.path } as const;
  using link = second.program.attachTcx(place);
  using before = first.program.attachTcx({ ...place, before: link });
  const found = queryPrograms({ ifindex: 1, netns: netns.path, attachType: "tcx_egress" });
  assert.equal(found.programs, [
    { programId: first.program.info.id, linkId: before.info.id },
    { programId: second.program.info.id, linkId: link.info.id },
  ]);
  // The first drops what the second would see.
  assert.throws(() => {
    sendPacket(netns.path);
    assert.is(first.hits(), 1);
    assert.is(second.hits(), 0);
    throw new Error("as it should be");
  }, /as it should be|ENOBUFS/);
  using third = counting("tc_next");
  using byId = third.program.attachTcx({ ...place, after: { linkId: before.info.id } });
  using last = counting("tc_next");
  using end = last.program.attachTcx({ ...place, after: "all" });
  const ids = queryPrograms({ ifindex: 1, netns: netns.path, attachType: "tcx_egress" }).programs;
  assert.equal(
    ids.map(({ linkId }) => linkId),
    [before, byId, link, end].map(({ info }) => info.id),
  );
});

testWith(test, needs.tcx, "a change by somebody else is noticed by its revision", () => {
  using netns = loopback();
  using counter = counting("tc_next");
  using other = counting("tc_next");
  const place = { ifindex: 1, direction: "ingress", netns: netns.path } as const;
  const { revision } = queryPrograms({ ifindex: 1, netns: netns.path, attachType: "tcx_ingress" });
  using link = counter.program.attachTcx({ ...place, expectedRevision: revision });
  assert.ok(link.info.id > 0);
  assert.throws(() => other.program.attachTcx({ ...place, expectedRevision: revision }), /ESTALE/);
});

testWith(
  test,
  needs.tcx,
  "without a link a tcx program stays until it is detached, and may be replaced",
  () => {
    using netns = loopback();
    using counter = counting("tc_next");
    using other = counting("tc_next");
    const place = { ifindex: 1, direction: "ingress", netns: netns.path, link: false } as const;
    const query = () => queryPrograms({ ifindex: 1, netns: netns.path, attachType: "tcx_ingress" }).programs;
    const attached = counter.program.attachTcx(place) as LegacyLink;
    attached.disconnect();
    attached.close();
    assert.equal(query(), [{ programId: counter.program.info.id, linkId: undefined }]);
    {
      using replaced = other.program.attachTcx({ ...place, replace: counter.program });
      assert.equal(query(), [{ programId: other.program.info.id, linkId: undefined }]);
      sendPacket(netns.path);
      assert.ok(other.hits() > 0);
      replaced.update(counter.program);
      assert.equal(query(), [{ programId: counter.program.info.id, linkId: undefined }]);
      assert.throws(() => replaced.info, /no information about a tcx attachment/);
    }
    assert.equal(query(), []);
  },
);

testWith(test, needs.tcx, "a link's program is replaced only if it is the one that is expected", () => {
  using netns = loopback();
  using counter = counting("tc_next");
  using other = counting("tc_drop");
  using link = counter.program.attachTcx({ ifindex: 1, direction: "ingress", netns: netns.path });
  assert.throws(() => link.update(other.program, { expected: other.program }), /EPERM/);
  link.update(other.program, { expected: counter.program });
  assert.is(link.info.programId, other.program.info.id);
  using opened = BpfLink.openById(link.info.id);
  assert.is(opened.info.programId, other.program.info.id);
  assert.ok([...BpfLink.ids()].includes(link.info.id));
});

testWithout(test, needs.tcx, "before tcx a filter of the classic tc stands in, unless it may not", () => {
  using netns = loopback();
  using counter = counting("tc_next");
  const place = { ifindex: 1, direction: "egress", netns: netns.path } as const;
  const error = thrown(() => counter.program.attachTcx({ ...place, fallback: false })) as { since?: string };
  assert.is(error.since, "6.6");
  const query = () => queryPrograms({ ifindex: 1, netns: netns.path, attachType: "tcx_egress" });
  assert.is((thrown(query) as { since?: string }).since, "6.6");
  using link = counter.program.attachTcx({ ...place, fallback: { priority: 7 } });
  assert.is((link as TcFilter).priority, 7);
  sendPacket(netns.path);
  assert.ok(counter.hits() > 0);
});

test("a filter of the classic tc handles packets, is replaced, and takes away only itself", () => {
  using netns = loopback();
  using counter = counting("tc_next");
  using other = counting("tc_next");
  const place = { ifindex: 1, direction: "egress", netns: netns.path } as const;
  const filters = () => tc(netns.path);
  using kept = other.program.attachTc({ ...place, handle: 9, priority: 5 });
  {
    using filter = counter.program.attachTc({ ...place, handle: 1, priority: 3 });
    assert.instance(filter, TcFilter);
    assert.equal([filter.handle, filter.priority], [1, 3]);
    sendPacket(netns.path);
    assert.ok(counter.hits() > 0);
    assert.match(filters(), /pref 3 bpf .*handle 0x1 .*direct-action/);
    assert.throws(() => other.program.attachTc({ ...place, handle: 1, priority: 3 }), /EEXIST/);
    assert.throws(() => filter.pin("/nowhere"), /no pinning of a tc filter attachment .*6\.6/);
    const before = counter.hits();
    filter.update(other.program);
    sendPacket(netns.path);
    assert.is(counter.hits(), before);
  }
  assert.not.match(filters(), "pref 3");
  assert.match(filters(), "pref 5");
  assert.is(kept.priority, 5);
});

test("a filter that somebody else has replaced is left alone", () => {
  using netns = loopback();
  using counter = counting("tc_next");
  using other = counting("tc_next");
  const place = { ifindex: 1, direction: "ingress", netns: netns.path, handle: 1, priority: 1 } as const;
  const ours = counter.program.attachTc(place);
  using theirs = other.program.attachTc({ ...place, replace: true });
  ours.close();
  assert.match(tc(netns.path, "ingress"), "pref 1");
  theirs.detach();
  assert.not.match(tc(netns.path, "ingress"), "pref 1");
});

test("the kernel chooses a handle and a priority, and tells them", () => {
  using netns = loopback();
  using counter = counting("tc_next");
  using filter = counter.program.attachTc({ ifindex: 1, direction: "ingress", netns: netns.path });
  assert.ok(filter.handle > 0);
  assert.ok(filter.priority > 0);
});

test("the kernel's own words explain a refused filter", () => {
  using netns = loopback();
  using counter = counting("tc_next");
  const place = { ifindex: 1, direction: "ingress", netns: netns.path, handle: 1, priority: 1 } as const;
  using filter = counter.program.attachTc(place);
  assert.ok(filter);
  assert.throws(
    () => counter.program.attachTc(place),
    /attach program "tc_next" as a filter to the ingress of device 1: .*EEXIST.*The kernel says: Filter already exists/,
  );
  assert.throws(() => counter.program.attachTc({ ...place, ifindex: 99 }), /device 99: .*ENODEV/);
});

test("a program of another type is refused before the kernel is asked", () => {
  using xdp = counting("xdp_pass");
  using tc = counting("tc_next");
  for (const [attach, said] of [
    [() => xdp.program.attachTcx({ ifindex: 1, direction: "egress" }), "attachTcx takes sched_cls"],
    [() => xdp.program.attachTc({ ifindex: 1, direction: "egress" }), "attachTc takes sched_cls"],
    [() => tc.program.attachXdp({ ifindex: 1 }), "attachXdp takes xdp"],
    [() => tc.program.attachNetns(), "attachNetns takes sk_lookup or flow_dissector"],
    [() => tc.program.attachKprobe("do_exit"), "attachKprobe takes kprobe"],
    [() => tc.program.attachSocket(0), "attachSocket takes socket_filter or sk_reuseport"],
  ] as const) {
    const error = thrown(attach);
    assert.instance(error, RangeError);
    assert.match(error.message, said);
  }
});

test("XDP runs by a link, generic and native", () => {
  using netns = loopback();
  ip(netns.path, "link", "add", "name", "v0", "type", "veth", "peer", "name", "v1");
  for (const name of ["v0", "v1"]) ip(netns.path, "link", "set", name, "up");
  const ifindex = indexOf(netns.path, "v1");
  ip(netns.path, "addr", "add", "10.9.0.1/24", "dev", "v0");
  ip(netns.path, "neigh", "add", "10.9.0.2", "lladdr", "02:00:00:00:00:02", "dev", "v0");
  for (const mode of ["generic", "native"] as const) {
    using counter = counting("xdp_pass");
    using link = counter.program.attachXdp({ ifindex, netns: netns.path, mode });
    sendPacket(netns.path, address(9, [10, 9, 0, 2]));
    assert.ok(counter.hits() > 0, mode);
    assert.is(queryXdp({ ifindex, netns: netns.path })[mode], counter.program.info.id);
    const { type, programId } = link.info;
    assert.equal([type, programId], ["xdp", counter.program.info.id]);
    assert.is((link.info as { ifindex: number }).ifindex, ifindex);
  }
  assert.equal(queryXdp({ ifindex, netns: netns.path }), {
    generic: undefined,
    native: undefined,
    offload: undefined,
  });
});

test("a driver without XDP is a missing feature", () => {
  using netns = loopback();
  using counter = counting("xdp_pass");
  assert.throws(
    () => counter.program.attachXdp({ ifindex: 1, netns: netns.path, mode: "native" }),
    /no native XDP in the driver of device 1.*generic/,
  );
});

test("XDP through netlink is replaced only by who knows what is there", () => {
  using netns = loopback();
  using counter = counting("xdp_pass");
  using other = counting("xdp_pass");
  const place = { ifindex: 1, netns: netns.path, mode: "generic", link: false } as const;
  const attached = counter.program.attachXdp(place) as LegacyLink;
  sendPacket(netns.path);
  assert.ok(counter.hits() > 0);
  assert.throws(() => other.program.attachXdp(place), /EBUSY|EEXIST/);
  assert.throws(() => other.program.attachXdp({ ...place, replace: other.program }), /EEXIST/);
  using replacing = other.program.attachXdp({ ...place, replace: counter.program });
  // It is no longer ours to take away.
  attached.close();
  assert.is(queryXdp({ ifindex: 1, netns: netns.path }).generic, other.program.info.id);
  replacing.update(counter.program);
  assert.is(queryXdp({ ifindex: 1, netns: netns.path }).generic, counter.program.info.id);
  assert.throws(
    () => detachXdp({ ifindex: 1, netns: netns.path, mode: "generic", expected: other.program }),
    /EEXIST/,
  );
  detachXdp({ ifindex: 1, netns: netns.path, mode: "generic", expected: counter.program });
  assert.is(queryXdp({ ifindex: 1, netns: netns.path }).generic, undefined);
});

testWith(test, needs.netfilter, "a netfilter program handles packets", () => {
  using netns = loopback();
  using counter = counting("netfilter_accept");
  {
    using link = counter.program.attachNetfilter({
      family: "ipv4",
      hook: "output",
      priority: -5,
      netns: netns.path,
    });
    sendPacket(netns.path);
    assert.ok(counter.hits() > 0);
    const { id, programId, ...rest } = link.info;
    assert.ok(id > 0 && programId > 0);
    assert.equal(rest, {
      type: "netfilter",
      family: "ipv4",
      hook: "output",
      priority: -5,
      defragment: false,
    });
    assert.throws(() => {
      counter.program.attachNetfilter({ family: "ipv4", hook: "output", priority: -5, netns: netns.path });
    }, /EBUSY/);
  }
  const before = counter.hits();
  sendPacket(netns.path);
  assert.is(counter.hits(), before);
});

test("a sk_lookup program is asked for the socket of a packet", () => {
  using netns = loopback();
  using counter = counting("sk_lookup_pass");
  {
    using link = counter.program.attachNetns({ netns: netns.path });
    sendPacket(netns.path);
    assert.is(counter.hits(), 1);
    const { info } = link;
    assert.is(info.type, "netns");
    using namespace = NetworkNamespace.open(netns.path);
    assert.is((info as { netnsInode: number }).netnsInode, Number(namespace.identity.inode));
    const found = queryPrograms({ netns: netns.path, attachType: "sk_lookup" });
    assert.equal(
      found.programs.map(({ programId }) => programId),
      [info.programId],
    );
    link.detach();
    sendPacket(netns.path);
    assert.is(counter.hits(), 1);
    assert.is((link.info as { netnsInode: number }).netnsInode, 0);
  }
});

test("a flow dissector is attached to a namespace, in which another is refused", () => {
  using netns = loopback();
  using counter = counting("dissect");
  using namespace = NetworkNamespace.open(netns.path);
  using link = counter.program.attachNetns({ netns: namespace });
  assert.is((link.info as { attachType?: string }).attachType, "flow_dissector");
  assert.throws(() => counter.program.attachNetns({ netns: namespace }), /E2BIG|EEXIST|EBUSY/);
  sendFrame(netns.path);
  assert.ok(counter.hits() > 0);
  link.close();
  const before = counter.hits();
  sendFrame(netns.path);
  assert.is(counter.hits(), before);
});

test("a filter decides what a socket receives, until it is taken off", () => {
  using netns = loopback();
  using counter = counting("socket_drop");
  using socket = Socket.open(2, 2, 0, { netns: netns.path });
  socket.bind(address(9));
  const arrives = () => {
    sendPacket(netns.path);
    return socket.receiveMessage(new Uint8Array(100), { flags: MessageFlag.DONTWAIT }) !== undefined;
  };
  assert.ok(arrives());
  counter.program.attachSocket(socket.fd);
  assert.not.ok(arrives());
  assert.is(counter.hits(), 1);
  detachSocket(socket.fd);
  assert.ok(arrives());
  assert.throws(() => detachSocket(socket.fd), /take the program of socket \d+ off: .*ENOENT/);
  assert.throws(() => counter.program.attachSocket(0x7fff), /EBADF/);
});

test("a program chooses among the sockets that share a port", () => {
  const SOL_SOCKET = 1;
  const SO_REUSEPORT = 15;
  using netns = loopback();
  using counter = counting("reuseport_pass");
  using socket = Socket.open(2, 2, 0, { netns: netns.path });
  socket.setOption(SOL_SOCKET, SO_REUSEPORT, 1);
  socket.bind(address(9));
  counter.program.attachSocket(socket.fd.number);
  sendPacket(netns.path);
  assert.is(counter.hits(), 1);
  detachSocket(socket.fd, "sk_reuseport");
  sendPacket(netns.path);
  assert.is(counter.hits(), 1);
});

testWith(test, needs.netkit, "a netkit program handles what the pod's end sends", () => {
  using netns = loopback();
  // The kernel names the other end nk0.
  ip(netns.path, "link", "add", "nkprime", "type", "netkit");
  for (const name of ["nkprime", "nk0"]) ip(netns.path, "link", "set", name, "up");
  using counter = counting("netkit_next");
  const ifindex = indexOf(netns.path, "nkprime");
  using link = counter.program.attachNetkit({ ifindex, netns: netns.path });
  ip(netns.path, "addr", "add", "10.8.0.1/24", "dev", "nkprime");
  sendPacket(netns.path, address(9, [10, 8, 0, 2]));
  assert.ok(counter.hits() > 0);
  assert.is(link.info.type, "netkit");
  const found = queryPrograms({ ifindex, netns: netns.path, attachType: "netkit_primary" });
  assert.equal(found.programs, [{ programId: link.info.programId, linkId: link.info.id }]);
  using other = counting("tc_next");
  const place = { ifindex, netns: netns.path, end: "peer", link: false } as const;
  using attached = other.program.attachNetkit(place);
  using replacing = counter.program.attachNetkit({ ...place, replace: other.program });
  const peer = queryPrograms({ ifindex, netns: netns.path, attachType: "netkit_peer" });
  assert.equal(peer.programs, [{ programId: counter.program.info.id, linkId: undefined }]);
  assert.ok(attached && replacing);
});

testWithout(test, needs.netkit, "a kernel without netkit says so", () => {
  using netns = loopback();
  using counter = counting("tc_next");
  const error = thrown(() => counter.program.attachNetkit({ ifindex: 1, netns: netns.path }));
  assert.is((error as { since?: string }).since, "6.7");
});

test("attaching leaves no descriptor behind, whether it succeeds or not", () => {
  using netns = loopback();
  using counter = counting("tc_next");
  using xdp = counting("xdp_pass");
  using group = counting("cgroup_skb_allow");
  using probe = counting("probe");
  using lookup = counting("sk_lookup_pass");
  const place = { ifindex: 1, netns: netns.path } as const;
  const nowhere = { ifindex: 9999, netns: netns.path } as const;
  const all = () => readdirSync("/proc/self/fd").length;
  const round = () => {
    counter.program.attachTcx({ ...place, direction: "egress" }).close();
    counter.program.attachTc({ ...place, direction: "egress" }).close();
    xdp.program.attachXdp({ ...place, mode: "generic" }).close();
    xdp.program.attachXdp({ ...place, mode: "generic", link: false }).close();
    lookup.program.attachNetns({ netns: netns.path }).close();
    probe.program.attachUprobe("libc.so.6", { symbol: "getppid" }).close();
    probe.program.attachUprobe("libc.so.6", { symbol: "getppid", link: false }).close();
    thrown(() => counter.program.attachTcx({ ...nowhere, direction: "egress" }));
    thrown(() => counter.program.attachTc({ ...nowhere, direction: "egress" }));
    thrown(() => xdp.program.attachXdp({ ...nowhere, link: false }));
    thrown(() => xdp.program.attachXdp({ ...nowhere }));
    thrown(() => group.program.attachCgroup("/tmp"));
    thrown(() => group.program.attachCgroup("/tmp", { link: false }));
    thrown(() => lookup.program.attachNetns({ netns: "/tmp" }));
    thrown(() => probe.program.attachUprobe("libc.so.6", { symbol: "getppid", cookie: 1n, link: false }));
  };
  round();
  const before = all();
  round();
  assert.is(all(), before);
});

test("programs are listed and opened by id", () => {
  using counter = counting("tc_next");
  const { id } = counter.program.info;
  assert.ok([...BpfProgram.ids()].includes(id));
  using opened = BpfProgram.openById(id);
  assert.equal([opened.name, opened.type], ["tc_next", "sched_cls"]);
  assert.throws(() => BpfProgram.openById(0x7fff_ffff), /open program 2147483647: .*ENOENT/);
});

function tc(netns: string, direction = "egress"): string {
  const args = ["-n", basename(netns), "filter", "show", "dev", "lo", direction];
  return execFileSync("tc", args, { encoding: "utf8" });
}

function indexOf(netns: string, name: string): number {
  return (JSON.parse(ip(netns, "-j", "link", "show", name)) as { ifindex: number }[])[0]!.ifindex;
}

/** A packet socket has the headers of what it sends dissected (packet_parse_headers, net/packet/af_packet.c). */
function sendFrame(netns: string): void {
  const AF_PACKET = 17;
  const ETH_P_IP = 0x0800;
  const SOCK_RAW = 3;
  using socket = Socket.open(AF_PACKET, SOCK_RAW, 0, { netns });
  const place = new Uint8Array(20);
  new Uint16Array(place.buffer)[0] = AF_PACKET;
  place.set([ETH_P_IP >> 8, ETH_P_IP & 0xff], 2);
  new Int32Array(place.buffer)[1] = 1;
  socket.bind(place);
  const frame = new Uint8Array(60);
  frame.set([0x08, 0x00, 0x45], 12);
  socket.send(frame);
}

test.run();
