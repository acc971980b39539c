import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { DEFAULT_STATE_DIRECTORY, Shaper, type ShaperOptions } from "@weir/shaper";
import type { Logger } from "pino";
import { ApiClient } from "./api/client.js";
import { EventWriter } from "./api/events.js";
import { PodWatch } from "./api/pod-watch.js";
import { parseAddress, type Settings } from "./config.js";
import { ConfigFile } from "./config-file.js";
import { codeOf, sentenceOf } from "./errors.js";
import { HttpListener } from "./http.js";
import { AttachmentMetrics } from "./metrics/attachments.js";
import { AgentMetrics } from "./metrics/metrics.js";
import type { Context } from "./node/context.js";
import { FolderWatch } from "./node/folder-watch.js";
import { tidyHeap } from "./node/heap.js";
import { NamespaceMonitor } from "./node/namespace-monitor.js";
import { Records } from "./node/records.js";
import { CniCache } from "./place/cni-cache.js";
import type { Planner } from "./place/planner.js";
import { keyOf, type Pod } from "./pods/pod.js";
import { AttachmentChecker } from "./reconcile/attachment-checker.js";
import { Collector } from "./reconcile/collector.js";
import { Holder } from "./reconcile/holder.js";
import { PodReconciler } from "./reconcile/pod-reconciler.js";
import { WorkQueue } from "./reconcile/work-queue.js";

/** How an {@link Agent} is started. */
export interface AgentOptions {
  /** The node's name in Kubernetes. */
  nodeName: string;
  /** The configuration file, which may be missing. */
  configFile: string;
  /** A kubeconfig file; absent, the pod's service account. */
  kubeconfig?: string;
  /** HOST:PORT or "off"; outranks the file's. */
  metricsAddress?: string;
  /** Whether the level of the log is given, so that the file's does not count. */
  fixedLogLevel?: boolean;
  /** Where state lies. */
  shaper?: Pick<ShaperOptions, "bpffs" | "stateDirectory">;
  /** What the CNI plugin does for an interface. */
  planner: Planner;
  /** The version of weir, for the metric. */
  version: string;
  log: Logger;
}

/** The lock is another process's for as long as it changes one attachment; whoever has it longer is waited for later. */
const LOCK_TIMEOUT_MS = 2_000;

/** A burst of notifications is one change. */
const SETTLE_MS = 20;

/** Every so many full passes what crashes left is looked for too. */
const THOROUGH_EVERY = 10;

/** After how many full passes that did not end something must be wrong. */
const LATE_PASSES = 5;
const LATE_MS = 300_000;

/** For how long what was found of attachments is new enough for a scrape. */
const FRESH_MS = 1_000;

/** How long a scrape waits for all of them, of the 10 s that Prometheus waits; then it gets what was found last. */
const PATIENCE_MS = 3_000;

/** How many attachments are inspected before the event loop turns. */
const INSPECTED_AT_ONCE = 5;

const UPLINK_RETRY_MS = 30_000;

/**
 * The node agent. All that it knows it can find again: limits are in the kernel and in weir's records, and what they
 * should be is in the API server and the configuration. Whatever is away, what is in force stays.
 */
export class Agent {
  readonly #options: AgentOptions;
  readonly #config: ConfigFile;
  readonly #context: Context;
  readonly #watch: PodWatch;
  readonly #events: EventWriter;
  readonly #monitor: NamespaceMonitor;
  readonly #checker: AttachmentChecker;
  readonly #pods: PodReconciler;
  readonly #collector: Collector;
  readonly #holder: Holder;
  readonly #queue: WorkQueue;
  readonly #series: AttachmentMetrics;
  readonly #recordFolder: FolderWatch;
  readonly #cacheFolders: FolderWatch;
  #known = new Map<string, string>();
  #http: HttpListener | undefined;
  #passes = 0;
  #passEnded = performance.now();
  #passTimer: NodeJS.Timeout | undefined;
  #uplinkTimer: NodeJS.Timeout | undefined;
  #uplinksSet = false;
  #firstPassDone = false;
  #refreshing: Promise<void> | undefined;
  #refreshedAt = Number.NEGATIVE_INFINITY;
  #running: Promise<void> | undefined;
  #closed = false;

  private constructor(options: AgentOptions) {
    const { log, nodeName, version, planner } = options;
    this.#options = options;
    const { stateDirectory = DEFAULT_STATE_DIRECTORY } = options.shaper ?? {};
    this.#config = new ConfigFile({ path: options.configFile, stateDirectory, log });
    const shaper = { ...options.shaper, lockTimeoutMs: LOCK_TIMEOUT_MS };
    const client = ApiClient.open(options.kubeconfig);
    this.#watch = new PodWatch({
      client,
      nodeName,
      log,
      listener: {
        present: (pod, at) => this.#podChanged(pod, at),
        gone: (pod) => this.#podGone(pod),
        listed: () => {
          void this.#queue.idle().then(() => {
            this.#firstPassDone = true;
          });
        },
      },
    });
    const metrics = new AgentMetrics(version);
    this.#context = {
      shaper,
      records: new Records(shaper),
      cache: new CniCache(this.#config.settings.cniCacheFolders),
      metrics,
      log,
      settings: () => this.#config.settings,
      pods: this.#watch.pods,
    };
    this.#events = new EventWriter(client, nodeName, log);
    this.#monitor = new NamespaceMonitor((netns) => this.#namespaceChanged(netns));
    this.#queue = new WorkQueue({
      work: (key) => this.#work(key),
      failed: (key, error, retryMs) => this.#failed(key, error, retryMs),
    });
    this.#checker = new AttachmentChecker(this.#context, this.#monitor, (id, afterMs) =>
      this.#queue.add(`attachment ${id}`, afterMs),
    );
    this.#pods = new PodReconciler(this.#context, planner, this.#events);
    this.#collector = new Collector(this.#context, this.#checker.states, () => this.#watch.synced);
    this.#holder = new Holder(this.#context);
    this.#series = new AttachmentMetrics(metrics, this.#checker.states);
    metrics.addGauge(
      "weir_invalid_annotations",
      "Wrong annotations on this node's pods now.",
      () => this.#pods.wrongAnnotations,
    );
    metrics.addGauge("weir_api_connected", "1 while the watch on the API server is open.", () =>
      this.#watch.connected ? 1 : 0,
    );
    metrics.addGauge("weir_config_valid", "0 while the configuration file is wrong.", () =>
      this.#config.valid ? 1 : 0,
    );
    mkdirSync(join(stateDirectory, "attachments"), { recursive: true, mode: 0o755 });
    // Reading all records takes longer the more there are, and must not be all that is done.
    this.#recordFolder = new FolderWatch(
      () => this.#recordsChanged(),
      () => Math.max(SETTLE_MS, 10 * this.#context.records.lastReadMs),
    );
    this.#recordFolder.folders = [join(stateDirectory, "attachments")];
    this.#cacheFolders = new FolderWatch(() => this.#cacheChanged());
    this.#cacheFolders.folders = this.#config.settings.cniCacheFolders;
  }

  /**
   * Starts an agent.
   * @throws Error in one sentence: no way to the API server, an address that is taken
   */
  static async start(options: AgentOptions): Promise<Agent> {
    const agent = new Agent(options);
    try {
      await agent.#listen();
    } catch (error) {
      await agent.close();
      throw error;
    }
    agent.#run();
    return agent;
  }

  /** Where metrics and health are served; undefined where they are not. */
  get metricsAddress(): { address: string; port: number } | undefined {
    return this.#http?.address;
  }

  /** Ends everything but the shaping. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#watch.close();
    this.#events.close();
    clearTimeout(this.#passTimer);
    clearTimeout(this.#uplinkTimer);
    this.#config[Symbol.dispose]();
    this.#recordFolder[Symbol.dispose]();
    this.#cacheFolders[Symbol.dispose]();
    this.#holder[Symbol.dispose]();
    this.#queue[Symbol.dispose]();
    await this.#queue.idle();
    this.#monitor[Symbol.dispose]();
    await this.#http?.close();
    await this.#running;
  }

  async #listen(): Promise<void> {
    const text = this.#options.metricsAddress ?? this.#config.settings.metricsAddress;
    if (text === "off") return;
    const address = parseAddress(text);
    if (!address) throw new Error(`"${text}" is no HOST:PORT, such as 127.0.0.1:9464 or [::1]:9464`);
    try {
      this.#http = await HttpListener.listen(address.host, address.port, {
        metrics: async () => {
          await Promise.race([this.#refresh(), sleep(PATIENCE_MS, undefined, { ref: false })]);
          const { registry } = this.#context.metrics;
          return { text: await registry.metrics(), type: registry.contentType };
        },
        healthProblems: () => this.#healthProblems(),
        readyProblems: () => this.#readyProblems(),
      });
    } catch (error) {
      throw new Error(`could not serve metrics on ${text}: ${(error as Error).message}`);
    }
    const { address: host, port } = this.#http.address;
    this.#context.log.info({ address: `${host}:${port}` }, "metrics and health are served");
  }

  #run(): void {
    this.#config.watch((settings) => this.#settingsChanged(settings));
    this.#applyLogLevel(this.#config.settings);
    this.#setUplinks();
    this.#running = this.#watch.run();
    void this.#pass();
  }

  async #work(key: string): Promise<void> {
    const [kind, name = ""] = key.split(" ", 2);
    if (kind === "pod") return this.#pods.reconcile(name);
    this.#checker.check(name);
    this.#holder.offer(name, this.#checker.states.get(name));
  }

  #failed(key: string, error: Error, retryMs: number): void {
    const reason = codeOf(error);
    this.#context.metrics.errors.inc({ reason });
    const [kind = "", name = ""] = key.split(" ", 2);
    this.#context.log.warn({ [kind]: name, reason, retryMs }, sentenceOf(error));
    if (reason === "INTERNAL") this.#context.log.debug({ stack: error.stack }, "where it comes from");
  }

  #podChanged(pod: Pod, at: number): void {
    this.#pods.arrived(pod, at);
    this.#queue.add(`pod ${keyOf(pod)}`);
  }

  #podGone(pod: Pod): void {
    this.#pods.forget(pod);
    this.#queue.forget(`pod ${keyOf(pod)}`);
  }

  /** Something in a pod's namespace has changed. */
  #namespaceChanged(netns: string): void {
    for (const { id } of this.#context.records.inNamespace(netns)) {
      this.#queue.add(`attachment ${id}`, SETTLE_MS);
    }
  }

  /** The plugin, a command or the agent itself has changed records. */
  #recordsChanged(): void {
    const { records } = this.#context;
    records.expire();
    const now = new Map<string, string>();
    for (const record of records.all.values()) {
      const { id, state, limits, createdAtMs, netns, pod } = record;
      const { egress, ingress } = limits;
      const mark = `${state} ${egress?.bitsPerSecond} ${ingress?.bitsPerSecond} ${createdAtMs} ${netns}`;
      now.set(id, mark);
      if (this.#known.get(id) === mark) continue;
      this.#queue.add(`attachment ${id}`);
      if (pod) this.#queue.add(`pod ${keyOf(pod)}`);
    }
    for (const id of this.#known.keys()) {
      if (now.has(id)) continue;
      this.#checker.forget(id);
      this.#queue.forget(`attachment ${id}`);
    }
    // A socket keeps a namespace alive, so none may stay behind.
    const inUse = new Set([...records.all.values()].map(({ netns }) => netns));
    for (const netns of this.#monitor.paths) if (!inUse.has(netns)) this.#monitor.unwatch(netns);
    this.#known = now;
  }

  /** A runtime has made an interface, perhaps of a pod that gets the node's default. */
  #cacheChanged(): void {
    const { records, cache, pods } = this.#context;
    cache.expire();
    for (const { containerId, ifname, entry, pod } of cache.list()) {
      if (!entry || !pod || records.get(`${containerId}/${ifname}`)) continue;
      if (pods.has(keyOf(pod))) this.#queue.add(`pod ${keyOf(pod)}`);
    }
  }

  #settingsChanged(settings: Settings): void {
    this.#context.cache.folders = settings.cniCacheFolders;
    this.#cacheFolders.folders = settings.cniCacheFolders;
    this.#applyLogLevel(settings);
    this.#setUplinks();
    for (const key of this.#watch.pods.keys()) this.#queue.add(`pod ${key}`);
  }

  #applyLogLevel({ logLevel }: Settings): void {
    if (!this.#options.fixedLogLevel) this.#context.log.level = logLevel;
  }

  #setUplinks(): void {
    clearTimeout(this.#uplinkTimer);
    const { shaper: options, log, metrics } = this.#context;
    let failed = false;
    using shaper = Shaper.open(options);
    for (const { name, egress, ingress } of this.#config.settings.uplinks) {
      try {
        const known = shaper.listUplinks().find((one) => one.name === name);
        if (known?.bitsPerSecond === egress && known.ingressBitsPerSecond === ingress) continue;
        shaper.setUplink(name, {
          bitsPerSecond: egress,
          ...(ingress === undefined ? {} : { ingressBitsPerSecond: ingress }),
        });
        log.info(
          { uplink: name, egress: String(egress), ingress: String(ingress ?? "unshared") },
          "uplink set",
        );
      } catch (error) {
        failed = true;
        metrics.errors.inc({ reason: codeOf(error) });
        log.error({ uplink: name }, `the uplink could not be set: ${sentenceOf(error)}`);
      }
    }
    this.#uplinksSet = !failed;
    if (failed) this.#uplinkTimer = setTimeout(() => this.#setUplinks(), UPLINK_RETRY_MS).unref();
  }

  /** Compares everything, and begins again after a while. */
  async #pass(): Promise<void> {
    const { records, log, metrics } = this.#context;
    try {
      this.#recordFolder.retry();
      this.#cacheFolders.retry();
      this.#recordsChanged();
      for (const id of records.all.keys()) this.#queue.add(`attachment ${id}`);
      for (const key of this.#watch.pods.keys()) this.#queue.add(`pod ${key}`);
      await this.#queue.idle();
      if (!this.#closed) this.#collector.collect(this.#passes % THOROUGH_EVERY === THOROUGH_EVERY - 1);
      this.#passEnded = performance.now();
      this.#passes++;
      tidyHeap();
    } catch (error) {
      metrics.errors.inc({ reason: codeOf(error) });
      log.error(`the full pass failed: ${sentenceOf(error)}`);
    }
    if (this.#closed) return;
    // Nodes that were started together drift apart.
    const delay = this.#config.settings.fullPassSeconds * (900 + Math.random() * 200);
    this.#passTimer = setTimeout(() => void this.#pass(), delay);
  }

  /** Brings what is known of attachments up to date for a scrape, however many ask at once. */
  #refresh(): Promise<void> {
    if (performance.now() - this.#refreshedAt < FRESH_MS) return Promise.resolve();
    this.#refreshing ??= this.#inspectAll().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  async #inspectAll(): Promise<void> {
    const { records, shaper: options, pods, log } = this.#context;
    const all = [...records.all.values()];
    using shaper = Shaper.open(options);
    for (let at = 0; at < all.length && !this.#closed; at += INSPECTED_AT_ONCE) {
      for (const record of all.slice(at, at + INSPECTED_AT_ONCE)) {
        try {
          if (this.#checker.look(shaper, record)) this.#queue.add(`attachment ${record.id}`);
        } catch (error) {
          log.debug({ id: record.id }, `could not be inspected: ${sentenceOf(error)}`);
        }
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    for (const id of this.#checker.states.keys()) if (!records.get(id)) this.#checker.forget(id);
    this.#series.update((namespace, pod) => pods.has(keyOf({ namespace, name: pod })));
    this.#refreshedAt = performance.now();
    tidyHeap();
  }

  #healthProblems(): string[] {
    const { fullPassSeconds } = this.#config.settings;
    const late = Math.max(LATE_MS, LATE_PASSES * fullPassSeconds * 1000);
    const since = performance.now() - this.#passEnded;
    return since < late ? [] : [`no full pass has ended for ${Math.round(since / 1000)} s`];
  }

  #readyProblems(): string[] {
    const problems: string[] = [];
    if (!this.#watch.synced) problems.push("the pods have not been listed yet");
    else if (!this.#firstPassDone) problems.push("the first pass over the pods has not ended yet");
    if (!this.#uplinksSet) problems.push("an uplink could not be set");
    return problems;
  }
}
