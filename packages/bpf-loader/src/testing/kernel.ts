import { mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { kernelVersion, mountBpffs, NetworkNamespace, unmount } from "@weir/syscall";
import type { Test } from "uvu";
import { features } from "../features/probe.js";
import { kernelBefore } from "../kernel/call.js";

/** A feature that a test needs: since when the kernel has it, and how to ask. */
export interface Feature {
  readonly name: string;
  readonly since: readonly [major: number, minor: number];
  readonly has: () => boolean;
}

/** Features that are younger than the oldest kernel that is tested. */
export const needs = {
  atomics: { name: "fetching atomics", since: [5, 12], has: () => features.atomics() },
  forEach: { name: "bpf_for_each_map_elem", since: [5, 13], has: () => features.helper("sched_cls", 164) },
  setTstamp: { name: "bpf_skb_set_tstamp", since: [5, 18], has: () => features.helper("sched_cls", 192) },
  currentTaskBtf: {
    name: "bpf_get_current_task_btf in tc programs",
    since: [6, 6],
    has: () => features.helper("sched_cls", 158),
  },
  bloomFilter: {
    name: "maps of type bloom_filter",
    since: [5, 16],
    has: () => features.mapType("bloom_filter") !== false,
  },
  userRingBuffer: {
    name: "maps of type user_ringbuf",
    since: [6, 1],
    has: () => features.mapType("user_ringbuf") !== false,
  },
  arena: { name: "maps of type arena", since: [6, 9], has: () => features.mapType("arena") !== false },
  tcx: { name: "tcx links", since: [6, 6], has: () => features.tcx() },
} satisfies Record<string, Feature>;

/**
 * A test for kernels with a feature. It is left out, with a line that says so, on a kernel from before the feature;
 * where the kernel is new enough and lacks it, it runs and fails.
 */
export function testWith(test: Test, feature: Feature, name: string, body: () => void): void {
  const [major, minor] = feature.since;
  if (feature.has() || !kernelBefore(major, minor)) {
    test(name, body);
    return;
  }
  console.log(
    `skipped: "${name}": Linux ${kernelVersion().release} has no ${feature.name} (${major}.${minor})`,
  );
  test.skip(name, body);
}

/** The opposite: a test of what happens on kernels without a feature. */
export function testWithout(test: Test, feature: Feature, name: string, body: () => void): void {
  if (!feature.has()) {
    test(name, body);
    return;
  }
  console.log(`skipped: "${name}": Linux ${kernelVersion().release} has ${feature.name}`);
  test.skip(name, body);
}

/** A BPF filesystem of its own, for as long as it is in use. */
export function temporaryBpffs(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), "weir-bpf-"));
  mountBpffs(path);
  return {
    path,
    [Symbol.dispose]() {
      unmount(path);
      rmdirSync(path);
    },
  };
}

let namespaces = 0;

/** A network namespace of its own, with a loopback device as device 1. */
export function temporaryNamespace(): Disposable & { readonly path: string } {
  const path = `/run/netns/weir-bpf-${process.pid}-${namespaces++}`;
  NetworkNamespace.create(path).close();
  return {
    path,
    [Symbol.dispose]() {
      NetworkNamespace.remove(path);
    },
  };
}
