import { join } from "node:path";
import { Rtnetlink } from "@weir/netlink";
import { NetworkNamespace } from "@weir/syscall";

/** How a pod is tied to its node. */
export type Tie = "veth" | "ipvlan";

/** Two network namespaces, a pod and its node, with the pod's eth0 between them. */
export class Pod implements Disposable {
  readonly netns: string;
  readonly #node: string;

  /** @param folder where the namespaces are bound; @param name of the pod */
  constructor(folder: string, name: string, tie: Tie) {
    this.netns = join(folder, name);
    this.#node = join(folder, `${name}-node`);
    NetworkNamespace.create(this.netns).close();
    NetworkNamespace.create(this.#node).close();
    try {
      this.#connect(tie);
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /** Runs something with a netlink socket and eth0's index inside the pod. */
  inside<T>(work: (rt: Rtnetlink, eth0: number) => T): T {
    using rt = Rtnetlink.open({ netns: this.netns });
    return work(rt, rt.links.get("eth0").index);
  }

  /** The kind of eth0's root qdisc, and the names of the pod's devices. */
  get state(): { qdisc: string | undefined; devices: string[] } {
    return this.inside((rt, eth0) => ({
      qdisc: rt.qdiscs.find(eth0)?.kind,
      devices: [...rt.links.dump()].map(({ name }) => name).sort(),
    }));
  }

  /** All that traffic control and the list of devices say of the pod, to compare before with after. */
  get everything(): unknown {
    return this.inside((rt) =>
      [...rt.links.dump({ skipStats: true })].map(({ index, name, kind }) => ({
        name,
        kind,
        qdiscs: [...rt.qdiscs.dump({ index })].map((qdisc) => [qdisc.kind, qdisc.parent]),
        filters: (["egress", "ingress"] as const).flatMap((parent) =>
          [...rt.filters.dump({ index, parent })].map((filter) => [parent, filter.kind, filter.priority]),
        ),
      })),
    );
  }

  #connect(tie: Tie): void {
    using rt = Rtnetlink.open({ netns: this.#node });
    const peer = tie === "veth" ? { name: "eth0", netns: this.netns } : { name: "wire" };
    rt.links.add({ name: "uplink", kind: "veth", data: { peer } });
    using inside = Rtnetlink.open({ netns: this.netns });
    const { index: link } = rt.links.get("uplink");
    if (tie === "ipvlan") {
      rt.links.add({ name: "eth0", kind: "ipvlan", link, netns: this.netns, data: { mode: "l2" } });
      rt.links.set("wire", { up: true });
    }
    rt.links.set("uplink", { up: true });
    inside.links.set("eth0", { up: true });
  }

  [Symbol.dispose](): void {
    NetworkNamespace.remove(this.netns);
    NetworkNamespace.remove(this.#node);
  }
}
