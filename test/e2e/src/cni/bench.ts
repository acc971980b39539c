import { invoke, type Outcome, type PrintedError, parsed } from "./invoke.js";
import { type Device, Place } from "./place.js";

/** A plugin and how it is to be called. */
export interface Subject {
  /** How the table calls it. */
  title: string;
  /** Its executable. */
  executable: string;
  /** What the pod's eth0 is. */
  device: Device;
  /** Its entry in a conflist, which must make ADD change something, and what the runtime adds: runtimeConfig, say. */
  configuration: Readonly<Record<string, unknown>>;
  /** Variables that it takes beside CNI's own. */
  env?: Readonly<Record<string, string>>;
}

/** The commands of CNI. */
export type Command = "ADD" | "DEL" | "CHECK" | "GC" | "STATUS" | "VERSION";

/** A way in which a plugin does not do what a case asks for; its message stands in the table. */
export class Miss extends Error {}

/** @throws Miss unless the condition holds */
export function expect(condition: boolean, miss: string): asserts condition {
  if (!condition) throw new Miss(miss);
}

/** What a call has beside the usual. */
export interface Variation {
  /** The configuration's cniVersion; undefined leaves it out, absent takes the bench's. */
  cniVersion?: string | undefined;
  /** Fields of the configuration, over the subject's; undefined leaves one out. */
  fields?: Readonly<Record<string, unknown>>;
  /** CNI_* variables, over the usual; undefined leaves one out. */
  env?: Readonly<Record<string, string | undefined>>;
  /** Standard input in place of a configuration. */
  input?: string;
}

/** One case's pod, and the plugin to call for it. */
export class Bench implements Disposable {
  readonly subject: Subject;
  readonly place: Place;
  /** The version of the specification that calls are made in. */
  readonly cniVersion: string;
  /** All that the plugin said it speaks. */
  readonly versions: readonly string[];
  readonly containerId: string;
  /** The network's name: each bench has one of its own, so that several may be busy at the same time. */
  readonly network: string;
  static #count = 0;

  constructor(subject: Subject, cniVersion: string, versions: readonly string[]) {
    this.subject = subject;
    this.place = new Place(subject.device);
    this.cniVersion = cniVersion;
    this.versions = versions;
    const number = Bench.#count++;
    this.containerId = `case-${process.pid}-${number}`;
    this.network = `conformance-${number}`;
  }

  /** Another pod on a node of its own, for the same plugin. */
  another(): Bench {
    return new Bench(this.subject, this.cniVersion, this.versions);
  }

  /** Calls the plugin. ADD and CHECK come with everything, DEL likewise, GC and STATUS with what they need. */
  call(command: Command, variation: Variation = {}): Promise<Outcome> {
    const { env, input } = this.#invocation(command, variation);
    return invoke(this.subject.executable, this.place.node, { env, input }, this.subject.env);
  }

  /** Calls it and expects success. @returns what it printed, as JSON where that is any */
  async succeed(command: Command, variation: Variation = {}): Promise<Record<string, unknown>> {
    const { status, stdout, stderr } = await this.call(command, variation);
    expect(status === 0, `${command} fails: ${shorten(stdout || stderr)}`);
    if (command === "ADD" || command === "VERSION") {
      const result = parsed(stdout);
      expect(result !== undefined, `${command} prints no JSON: ${shorten(stdout)}`);
      return result;
    }
    expect(stdout.trim() === "", `${command} prints ${shorten(stdout)}`);
    return {};
  }

  /** Calls it and expects an error as CNI wants it, of a code where one is given. */
  async fail(command: Command, code: number | undefined, variation: Variation = {}): Promise<PrintedError> {
    const { status, stdout, stderr } = await this.call(command, variation);
    expect(status !== 0, `${command} succeeds`);
    const error: PrintedError | undefined = parsed(stdout);
    expect(error !== undefined, `no error on standard output (exit ${status}): ${shorten(stdout || stderr)}`);
    expect(typeof error.code === "number", `the error has no code: ${shorten(stdout)}`);
    expect(typeof error.msg === "string" && error.msg !== "", `the error has no msg: ${shorten(stdout)}`);
    if (code !== undefined) expect(error.code === code, `code ${error.code}: ${shorten(error.msg)}`);
    return error;
  }

  #invocation(command: Command, variation: Variation): { env: Record<string, string>; input: string } {
    const { cniVersion = this.cniVersion, fields = {}, input } = variation;
    const version = "cniVersion" in variation && variation.cniVersion === undefined ? {} : { cniVersion };
    const forPod = command === "ADD" || command === "CHECK" || command === "DEL";
    const previous = forPod ? { prevResult: this.place.result(cniVersion) } : {};
    const configuration = {
      ...version,
      name: this.network,
      ...this.subject.configuration,
      ...previous,
      ...fields,
    };
    const pod = {
      CNI_CONTAINERID: this.containerId,
      CNI_NETNS: this.place.netns,
      CNI_IFNAME: "eth0",
      CNI_ARGS: "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=pod",
    };
    const env = { CNI_COMMAND: command, CNI_PATH: "/opt/cni/bin", ...(forPod ? pod : {}), ...variation.env };
    const given = Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined);
    return { env: Object.fromEntries(given), input: input ?? JSON.stringify(configuration) };
  }

  [Symbol.dispose](): void {
    this.place[Symbol.dispose]();
  }
}

/** The first line of what a plugin said, as it fits a table. */
export function shorten(text: string): string {
  const message = parsed(text)?.msg;
  const line = (typeof message === "string" ? message : text).trim().split("\n", 1)[0]!;
  const plain = line.replaceAll(/\/tmp\/cni-conformance-\w+/g, "…").replaceAll(/case-\d+-\d+/g, "ID");
  return plain.length > 110 ? `${plain.slice(0, 110)}…` : plain || "nothing";
}
