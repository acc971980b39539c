import { accessSync, constants, existsSync } from "node:fs";
import { dirname } from "node:path";
import { mirred, Rtnetlink } from "@weir/netlink";
import { hasCapability, isBpffs, kernelVersion, NetworkNamespace, raiseMemlockLimit } from "@weir/syscall";
import { gsoMaxSize } from "./gso.js";
import { loadGuard, seesSenders } from "./guard/program.js";
import { moduleRemedy } from "./kernel-module.js";
import { DEFAULT_BPFFS, DEFAULT_STATE_DIRECTORY, type ShaperOptions } from "./options.js";
import { hasAtomics, hasTypedTimestamps, loadProgram } from "./program-loader.js";
import { hasTcx } from "./tcx/program-table.js";

/** One thing that shaping needs from the machine, or is better with. */
export interface Requirement {
  /** A short name, mostly the kernel's: "sch_fq". */
  name: string;
  /** What it is for. */
  what: string;
  ok: boolean;
  /** Whether nothing can be shaped without it. */
  required: boolean;
  /** What was found. */
  detail: string;
  /** What to do where it is missing. */
  remedy?: string;
}

/**
 * Checks the machine, by trying: qdiscs, filters and devices are made in a network namespace that nobody else sees and
 * that is gone afterwards, and the BPF program is loaded and dropped.
 */
export function checkRequirements(options: ShaperOptions = {}): Requirement[] {
  const { bpffs = DEFAULT_BPFFS, stateDirectory = DEFAULT_STATE_DIRECTORY } = options;
  const requirements = [kernel(), ...capabilities(), pins(bpffs), state(stateDirectory)];
  if (!hasCapability("CAP_SYS_ADMIN") || !hasCapability("CAP_NET_ADMIN") || !hasCapability("CAP_BPF")) {
    return requirements;
  }
  raiseMemlockLimit();
  return [...requirements, ...networking(), program(), largePackets(), ...comforts()];
}

function kernel(): Requirement {
  const { major, minor, release } = kernelVersion();
  const ok = major > 5 || (major === 5 && minor >= 10);
  return requirement(
    "linux",
    "a kernel that weir is tested on: 5.10 or later",
    ok,
    release,
    "Use a newer kernel.",
  );
}

function capabilities(): Requirement[] {
  const uses = {
    CAP_SYS_ADMIN: "entering the pods' network namespaces",
    CAP_NET_ADMIN: "setting qdiscs, filters and devices",
    CAP_BPF: "loading the BPF program",
  };
  return Object.entries(uses).map(([name, what]) => {
    const ok = hasCapability(name);
    return requirement(name, what, ok, ok ? "held" : "not held", "Run as root.");
  });
}

function pins(bpffs: string): Requirement {
  const ok = isBpffs(bpffs);
  const detail = ok ? `mounted at ${bpffs}` : `not mounted at ${bpffs}`;
  return requirement(
    "bpffs",
    "where the program and its maps are pinned",
    ok,
    detail,
    `mount -t bpf bpf ${bpffs}`,
  );
}

function state(folder: string): Requirement {
  let existing = folder;
  while (!existsSync(existing) && existing !== dirname(existing)) existing = dirname(existing);
  let ok = true;
  try {
    accessSync(existing, constants.W_OK);
  } catch {
    ok = false;
  }
  const detail = ok ? `${folder} can be written` : `${existing} cannot be written`;
  return requirement("state", "the records of what is shaped", ok, detail, `Make ${folder} writable.`);
}

/** Each is tried on the loopback device of a new namespace: modules are loaded by the kernel as they are asked for. */
function networking(): Requirement[] {
  using namespace = NetworkNamespace.createAnonymous();
  using rt = Rtnetlink.open({ netns: namespace });
  const index = rt.links.get("lo").index;
  const place = { index, parent: "ingress", handle: 1 } as const;
  const module = (name: string, what: string, work: () => void) =>
    tried(name, what, work, moduleRemedy(name));
  return [
    module("sch_fq", "the qdisc that holds packets until they may leave", () =>
      rt.qdiscs.replace({ index, parent: "root", kind: "fq", options: { horizonUs: 1_000_000 } }),
    ),
    module("sch_ingress", "the clsact qdisc, where the filters hang", () =>
      rt.qdiscs.add({ index, kind: "clsact" }),
    ),
    module("cls_bpf", "the filter that runs the program", () => {
      using loaded = loadProgram();
      rt.filters.add({
        ...place,
        parent: "egress",
        kind: "bpf",
        priority: 1,
        options: { fd: loaded.program.fd },
      });
    }),
    module("cls_matchall", "the filter that catches what arrives", () => {
      rt.filters.add({ ...place, kind: "matchall", priority: 2, options: { actions: [] } });
    }),
    module("ifb", "the device through which what arrives is delayed", () =>
      rt.links.add({ name: "weir", kind: "ifb" }),
    ),
    module("act_mirred", "the action that sends it there", () => {
      const to = rt.links.find("weir")?.index ?? index;
      rt.filters.add({
        index,
        parent: "ingress",
        kind: "u32",
        protocol: "ip",
        priority: 3,
        options: { actions: [mirred({ to })] },
      });
    }),
  ];
}

/** Tried on the loopback device of a new namespace. */
function largePackets(): Requirement {
  using namespace = NetworkNamespace.createAnonymous();
  using rt = Rtnetlink.open({ netns: namespace });
  const { index } = rt.links.get("lo");
  const requirement = tried(
    "gso_max_size",
    "packets no larger than what a limit sends in 2 ms",
    () => rt.links.set(index, { gsoMaxSize: gsoMaxSize({ bitsPerSecond: 20_000_000n }, 1_500) }),
    "Shaping works without: under low limits, several flows leave in clumps.",
  );
  return { ...requirement, required: false };
}

function program(): Requirement {
  return tried(
    "program",
    "the BPF program passes this kernel's verifier",
    () => loadProgram()[Symbol.dispose](),
    "Report it, with the kernel's version and what is printed here.",
  );
}

function comforts(): Requirement[] {
  const comfort = (name: string, what: string, ok: boolean, without: string) => ({
    name,
    what,
    ok,
    required: false,
    detail: ok ? "there" : without,
  });
  return [
    comfort(
      "atomics",
      "64-bit compare-and-swap in BPF (Linux 5.12)",
      hasAtomics(),
      "missing: a spin lock keeps the clock exact instead",
    ),
    comfort(
      "typed timestamps",
      "departure times that no socket takes for arrival times (Linux 5.18)",
      hasTypedTimestamps(),
      "missing: under an ingress limit, programs that ask for receive timestamps (ping, NTP) get wrong ones",
    ),
    {
      ...tried(
        "guard",
        "the program that polices pods on the host's side passes this kernel's verifier",
        () => loadGuard()[Symbol.dispose](),
        "Report it, with the kernel's version and what is printed here.",
      ),
      required: false,
    },
    comfort(
      "guarded senders",
      "the guard sees which pod sends, whatever address it claims (BTF of the kernel)",
      seesSenders(),
      "missing: the guard goes by addresses alone, and a pod can borrow another's",
    ),
    comfort(
      "tcx",
      "links that a pod cannot take off its device (Linux 6.6)",
      hasTcx(),
      "missing: a pod with CAP_NET_ADMIN can remove the filters from its device; the guard still holds",
    ),
  ];
}

function tried(name: string, what: string, work: () => void, remedy: string): Requirement {
  try {
    work();
    return requirement(name, what, true, "works", remedy);
  } catch (error) {
    return requirement(name, what, false, (error as Error).message, remedy);
  }
}

function requirement(name: string, what: string, ok: boolean, detail: string, remedy: string): Requirement {
  return { name, what, ok, required: true, detail, ...(ok ? {} : { remedy }) };
}
