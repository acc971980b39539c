import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Rtnetlink } from "@weir/netlink";
import { mountBpffs, NetworkNamespace, unmount } from "@weir/syscall";
import type { ShaperOptions } from "../options.js";

/** What a test shapes: a namespace with a device on a wire, and folders of its own for pins and records. */
export class Lab implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), "weir-shaper-"));
  readonly netns = join(this.folder, "pod");
  readonly options: Required<Pick<ShaperOptions, "bpffs" | "stateDirectory">>;

  /** @param kind the pod's device: an ipvlan device on a veth, or the end of a veth itself */
  constructor(kind: "ipvlan l2" | "ipvlan l3s" | "veth" = "ipvlan l2") {
    const bpffs = join(this.folder, "bpf");
    mkdirSync(bpffs);
    mountBpffs(bpffs);
    this.options = { bpffs, stateDirectory: join(this.folder, "run") };
    this.makePod(kind);
  }

  /** Makes the pod's namespace and its device eth0, up and with an address. */
  makePod(kind: "ipvlan l2" | "ipvlan l3s" | "veth"): void {
    NetworkNamespace.create(this.netns).close();
    using rt = Rtnetlink.open({ netns: this.netns });
    if (kind === "veth") {
      rt.links.add({ name: "eth0", kind: "veth", data: { peer: { name: "peer" } } });
      rt.links.set("peer", { up: true });
    } else {
      rt.links.add({ name: "wire", kind: "veth", data: { peer: { name: "far" } } });
      rt.links.set("wire", { up: true });
      rt.links.set("far", { up: true });
      const mode = kind === "ipvlan l2" ? "l2" : "l3s";
      rt.links.add({ name: "eth0", kind: "ipvlan", link: rt.links.get("wire").index, data: { mode } });
    }
    rt.links.set("eth0", { up: true });
    rt.addresses.add({ index: rt.links.get("eth0").index, address: "10.77.0.1/24" });
  }

  /** Ends the pod: its namespace with everything in it. */
  endPod(): void {
    NetworkNamespace.remove(this.netns);
  }

  /** All that weir could change of the pod's devices and their traffic control, to compare before with after. */
  snapshot(): unknown {
    using rt = Rtnetlink.open({ netns: this.netns });
    const links = [...rt.links.dump({ skipStats: true })];
    return links.map(({ index, name, kind, gsoMaxSize, attributes }) => ({
      name,
      kind,
      gsoMaxSize,
      gsoIpv4MaxSize: attributes.gsoIpv4MaxSize,
      qdiscs: [...rt.qdiscs.dump({ index })].map((qdisc) => ({
        kind: qdisc.kind,
        handle: qdisc.handle,
        parent: qdisc.parent,
        options: qdisc.rawOptions && Buffer.from(qdisc.rawOptions).toString("hex"),
      })),
      filters: (["egress", "ingress"] as const).flatMap((parent) =>
        [...rt.filters.dump({ index, parent })].map((filter) => [parent, filter.kind, filter.priority]),
      ),
    }));
  }

  [Symbol.dispose](): void {
    this.endPod();
    unmount(this.options.bpffs);
    rmSync(this.folder, { recursive: true });
  }
}
