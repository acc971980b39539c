import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Rtnetlink } from "@weir/netlink";
import { Shaper } from "@weir/shaper";
import { mountBpffs, NetworkNamespace, unmount } from "@weir/syscall";
import { type Logger, pino } from "pino";
import { Agent, type AgentOptions } from "../agent.js";
import { TestApiServer } from "./api-server.js";
import { testPlanner } from "./planner.js";

/** A node with pods in namespaces of their own, a BPF filesystem, libcni's cache, and an API server for its agent. */
export class NodeLab {
  readonly folder = mkdtempSync(join(tmpdir(), "weir-agent-"));
  readonly shaper = { bpffs: join(this.folder, "bpf"), stateDirectory: join(this.folder, "run") };
  readonly configFile = join(this.folder, "etc", "agent.yaml");
  readonly cache = join(this.folder, "cni");
  readonly api: TestApiServer;
  /** What the agent has logged. */
  readonly lines: { msg: string; level: string; [name: string]: unknown }[] = [];
  agent: Agent | undefined;
  readonly #netns: string[] = [];

  private constructor(api: TestApiServer) {
    this.api = api;
    for (const folder of [
      this.shaper.bpffs,
      this.shaper.stateDirectory,
      this.cache,
      join(this.folder, "etc"),
    ]) {
      mkdirSync(folder);
    }
    mkdirSync(join(this.folder, "netns"));
    mountBpffs(this.shaper.bpffs);
    this.configure("");
    this.writeKubeconfig();
  }

  static async make(): Promise<NodeLab> {
    return new NodeLab(await TestApiServer.start());
  }

  writeKubeconfig(): void {
    writeFileSync(join(this.folder, "kubeconfig"), this.api.kubeconfig);
  }

  /** Writes the configuration file. */
  configure(yaml: string): void {
    writeFileSync(this.configFile, `${yaml}\ncniCacheFolders: [${this.cache}]\n`);
  }

  /** Makes a pod's namespace with a device for each name, and libcni's file for each if a chain is given. */
  makePod(name: string, chain?: object, devices: readonly string[] = ["eth0"]): string {
    const netns = this.netnsOf(name);
    NetworkNamespace.create(netns).close();
    this.#netns.push(netns);
    using rt = Rtnetlink.open({ netns });
    for (const device of devices) {
      rt.links.add({ name: device, kind: "veth", up: true, data: { peer: { name: `${device}-peer` } } });
      rt.links.set(`${device}-peer`, { up: true });
      if (chain) this.writeCache(name, device, chain);
    }
    return netns;
  }

  netnsOf(name: string): string {
    return join(this.folder, "netns", name);
  }

  /** As libcni writes it after ADD. @param entry what stands in the conflist behind the plugin that made the device */
  writeCache(name: string, device: string, entry: object): void {
    const config = { cniVersion: "1.0.0", name: "pods", plugins: [{ type: "veth" }, entry] };
    const text = {
      kind: "cniCacheV1",
      containerId: `c-${name}`,
      config: Buffer.from(JSON.stringify(config)).toString("base64"),
      ifName: device,
      networkName: "pods",
      cniArgs: [
        ["K8S_POD_NAMESPACE", "default"],
        ["K8S_POD_NAME", name],
        ["K8S_POD_UID", `uid-${name}`],
      ],
      result: { cniVersion: "1.0.0", interfaces: [{ name: device, sandbox: this.netnsOf(name) }] },
    };
    writeFileSync(join(this.cache, `pods-c-${name}-${device}`), JSON.stringify(text));
  }

  /** What the plugin does at ADD of a pod with these rates. */
  add(name: string, rates: { egress?: bigint; ingress?: bigint }, device = "eth0"): void {
    using shaper = Shaper.open(this.shaper);
    shaper.apply(
      {
        id: `c-${name}/${device}`,
        netns: this.netnsOf(name),
        device,
        network: "pods",
        pod: { namespace: "default", name, uid: `uid-${name}` },
      },
      {
        ...(rates.egress === undefined ? {} : { egress: { bitsPerSecond: rates.egress } }),
        ...(rates.ingress === undefined ? {} : { ingress: { bitsPerSecond: rates.ingress } }),
      },
    );
  }

  /** Ends a pod as a runtime does that could not call DEL. */
  endPod(name: string): void {
    NetworkNamespace.remove(this.netnsOf(name));
    this.#netns.splice(this.#netns.indexOf(this.netnsOf(name)), 1);
  }

  /** The limits in force, in the kernel: [egress, ingress] in bits per second, "none" or what is damaged. */
  limits(name: string, device = "eth0"): string {
    using shaper = Shaper.open(this.shaper);
    const id = `c-${name}/${device}`;
    if (!shaper.list().some((record) => record.id === id)) return "none";
    const { egress, ingress, problems } = shaper.inspect(id);
    if (problems.length > 0) return problems.map(({ code }) => code).join(" ");
    return `${egress?.bitsPerSecond ?? "-"} ${ingress?.bitsPerSecond ?? "-"}`;
  }

  /** Runs something with a netlink socket and the index of a device inside a pod. */
  inside<T>(name: string, work: (rt: Rtnetlink, index: number) => T, device = "eth0"): T {
    using rt = Rtnetlink.open({ netns: this.netnsOf(name) });
    return work(rt, rt.links.get(device).index);
  }

  async start(more: Partial<AgentOptions> = {}): Promise<Agent> {
    this.agent = await Agent.start({
      nodeName: "node-1",
      configFile: this.configFile,
      kubeconfig: join(this.folder, "kubeconfig"),
      metricsAddress: "127.0.0.1:0",
      shaper: this.shaper,
      planner: testPlanner,
      version: "0.0.0",
      log: this.#log(),
      ...more,
    });
    return this.agent;
  }

  async stop(): Promise<void> {
    await this.agent?.close();
    this.agent = undefined;
  }

  /** The value of a metric whose line holds all of these texts; undefined where there is none. */
  async metric(...texts: string[]): Promise<number | undefined> {
    const { text } = await this.get("/metrics");
    const line = text
      .split("\n")
      .find((one) => !one.startsWith("#") && texts.every((part) => one.includes(part)));
    return line === undefined ? undefined : Number(line.split(" ").at(-1));
  }

  /** Comes when the agent says that it is ready. */
  async ready(): Promise<void> {
    for (let tries = 0; (await this.get("/readyz")).status !== 200; tries++) {
      if (tries === 400) throw new Error((await this.get("/readyz")).text);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  get(path: string): Promise<{ status: number; text: string }> {
    const port = this.agent?.metricsAddress?.port;
    return new Promise((resolve, reject) => {
      request({ host: "127.0.0.1", port, path }, (response) => {
        let text = "";
        response.on("data", (chunk) => {
          text += chunk;
        });
        response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
      })
        .on("error", reject)
        .end();
    });
  }

  async remove(): Promise<void> {
    await this.stop();
    await this.api.stop();
    for (const netns of this.#netns) NetworkNamespace.remove(netns);
    unmount(this.shaper.bpffs);
    rmSync(this.folder, { recursive: true });
  }

  #log(): Logger {
    return pino(
      { level: "debug", base: {}, formatters: { level: (level) => ({ level }) } },
      {
        write: (line: string) => {
          this.lines.push(JSON.parse(line));
          if (process.env.WEIR_AGENT_LOG) process.stderr.write(line);
        },
      },
    );
  }
}
