import { suite } from "uvu";
import * as assert from "uvu/assert";
import { encodeSkbContext, NotSupportedError } from "../index.js";
import { counting, ip } from "../testing/attach.js";
import { needs, temporaryNamespace, testWith } from "../testing/kernel.js";
import { thrown } from "../testing/thrown.js";
import { kernelBefore } from "./call.js";

const test = suite("test runs");
const packet = new Uint8Array(64);

test("an XDP program gives its action and how long it took", () => {
  using counter = counting("xdp_pass");
  const run = counter.program.testRun({ data: packet, repeat: 100 });
  assert.is(run.returnValue, 2);
  assert.is(counter.hits(), 100);
  assert.is(run.data.length, 64);
  assert.ok(run.durationNs >= 0);
});

testWith(test, needs.xdpLiveFrames, "live frames of XDP go where the program sends them", () => {
  using counter = counting("xdp_tx");
  using netns = temporaryNamespace();
  ip(netns.path, "link", "set", "lo", "up");
  const context = new Uint8Array(24);
  // struct xdp_md: data, data_end, data_meta, ingress_ifindex
  new Uint32Array(context.buffer).set([0, packet.length, 0, 1]);
  const run = counter.program.testRun({ data: packet, context, repeat: 10, liveFrames: true, batchSize: 5 });
  assert.is(counter.hits(), 10);
  assert.is(run.data.length, 0);
});

test("a raw tracepoint program gets its arguments, on the CPU that is asked for", () => {
  using counter = counting("raw_tracepoint");
  const context = new Uint8Array(new BigUint64Array([5n, 77n]).buffer);
  const run = counter.program.testRun({ context, cpu: 0 });
  assert.is(run.returnValue, 7);
  assert.equal([counter.noted().argument, run.context.length], [77n, 0]);
  assert.throws(() => counter.program.testRun({ context, cpu: 100_000 }), /ENXIO|EINVAL/);
  assert.throws(() => counter.program.testRun({ context, repeat: 5 }), /no repetition/);
});

testWith(test, needs.syscallProgram, "a syscall program changes its context", () => {
  using counter = counting("add");
  const context = new Uint8Array(new BigUint64Array([40n, 2n, 0n]).buffer);
  const run = counter.program.testRun({ context });
  assert.is(run.returnValue, 3);
  assert.equal([...new BigUint64Array(run.context.buffer)], [40n, 2n, 42n]);
  // The caller's own bytes stay as they are.
  assert.equal([...new BigUint64Array(context.buffer)], [40n, 2n, 0n]);
});

test("a flow dissector gives the keys that it found", () => {
  using counter = counting("dissect");
  const ipv4 = new Uint8Array(64);
  ipv4.set([0x08, 0x00, 0x45], 12);
  const run = counter.program.testRun({ data: ipv4 });
  // Kernels before 6.1 give whether it was BPF_OK rather than the result.
  assert.ok(run.returnValue === 0 || run.returnValue === 1);
  // struct bpf_flow_keys: nhoff, thoff
  assert.is(new DataView(run.data.buffer).getUint16(2, true), 34);
});

testWith(test, needs.skLookupRun, "a sk_lookup program runs on a description of a packet", () => {
  using counter = counting("sk_lookup_pass");
  // struct bpf_sk_lookup: an empty cookie, AF_INET, IPPROTO_TCP, remote and local address and port
  const context = new Uint8Array(72);
  const view = new DataView(context.buffer);
  view.setUint32(8, 2, true);
  view.setUint32(12, 6, true);
  const run = counter.program.testRun({ context: context.subarray(0, kernelBefore(5, 17) ? 64 : 72) });
  assert.is(run.returnValue, 1);
  assert.is(counter.hits(), 1);
});

test("a program of a cgroup runs on a packet", () => {
  using counter = counting("cgroup_skb_allow");
  assert.is(counter.program.testRun({ data: packet, context: encodeSkbContext({ mark: 1 }) }).returnValue, 1);
});

test("a type that the kernel does not run says so", () => {
  using counter = counting("cgroup_connect_allow");
  const error = thrown(() => counter.program.testRun({ data: packet })) as NotSupportedError;
  assert.instance(error, NotSupportedError);
  assert.match(error.feature, "test runs of programs of type cgroup_sock_addr");
});

testWith(test, needs.trampolines, "a tracing program's run calls the functions that it may watch", () => {
  using counter = counting("fentry");
  assert.is(counter.program.testRun().returnValue >= 0, true);
});

test.run();
