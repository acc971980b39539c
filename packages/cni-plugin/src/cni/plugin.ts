import {
  checkRequirements,
  directions,
  type Limit,
  type Limits,
  Shaper,
  ShaperError,
  type ShaperOptions,
} from "@weir/shaper";
import { stringifyJson } from "../json.js";
import { formatBits, formatRate } from "../units.js";
import { parseConfiguration, previousResult, validAttachments } from "./configuration.js";
import type { CniEnvironment } from "./environment.js";
import { CniError, CniErrorCode } from "./errors.js";
import { explain, joinRemedy } from "./explain.js";
import { idOf, planAttachment, wantedLimits } from "./plan.js";
import { convertResult } from "./result.js";

/** A call of the plugin: its environment and what came on standard input. */
export interface Call {
  environment: CniEnvironment;
  input: string;
  options: ShaperOptions;
}

/** What a call gives: the text for standard output, and how to take back what was done if that cannot be written. */
export interface Reply {
  output: string;
  undo?: () => void;
}

/** Answers a call other than VERSION. Throws CniError. */
export function answer(call: Call): Reply {
  const { command, ifname, netns, containerId } = call.environment;
  const where = command === "GC" || command === "STATUS" ? "" : ` of ${ifname} in ${netns || containerId}`;
  try {
    return operations[command](call);
  } catch (error) {
    throw explain(error, `${command}${where}`);
  }
}

const operations = { ADD: add, DEL: del, CHECK: check, GC: gc, STATUS: status, VERSION: nothing };
const done: Reply = { output: "" };

function add({ environment, input, options }: Call): Reply {
  const configuration = parseConfiguration(input, "ADD");
  const result = convertResult(previousResult(configuration, "ADD"), configuration.cniVersion);
  const plan = planAttachment(configuration, environment, result);
  const output = `${stringifyJson(result)}\n`;
  if (!plan) return { output };
  const { attachment, limits, guard } = plan;
  using shaper = Shaper.open(guard === undefined ? options : { ...options, guard });
  shaper.apply(attachment, limits);
  const undo = () => {
    using again = Shaper.open(options);
    again.remove(attachment.id);
  };
  return { output, undo };
}

/**
 * DEL looks at nothing but the container's id and the interface's name: runtimes send it twice, without netns or
 * prevResult, and with whatever the configuration has become since ADD, and a pod that cannot be deleted is worse
 * than a configuration that nobody needs any more.
 */
function del({ environment, options }: Call): Reply {
  const id = idOf(environment);
  using shaper = Shaper.open(options);
  try {
    shaper.remove(id);
  } catch (error) {
    if (!(error instanceof ShaperError)) throw error;
    // An id that cannot be one was never applied.
    if (error.code === "INVALID_ATTACHMENT") return done;
    if (error.code !== "STATE") throw error;
    // A damaged record says nothing about what to take back; a collection frees what no record claims.
    shaper.gc();
    shaper.remove(id);
  }
  return done;
}

function check({ environment, input, options }: Call): Reply {
  const configuration = parseConfiguration(input, "CHECK");
  previousResult(configuration, "CHECK");
  const wanted = wantedLimits(configuration);
  const id = idOf(environment);
  using shaper = Shaper.open(options);
  let found: ReturnType<Shaper["inspect"]>;
  try {
    found = shaper.inspect(id);
  } catch (error) {
    if (!(error instanceof ShaperError) || error.code !== "NOT_FOUND") throw error;
    if (!wanted) return done;
    throw new CniError(
      CniErrorCode.UNKNOWN_CONTAINER,
      `CHECK found no limit on ${environment.ifname} of container ${environment.containerId}, although the configuration names one: delete the pod and let it be made again`,
    );
  }
  if (!found.healthy) {
    const [first] = found.problems;
    throw new CniError(
      CniErrorCode.DAMAGED,
      joinRemedy(
        `CHECK found the shaping of ${environment.ifname} in ${environment.netns} damaged: ${first?.message ?? "the kernel's state is not the recorded one"}`,
        first?.remedy,
      ),
      found.problems.map(({ code, message, remedy }) => `${code}: ${joinRemedy(message, remedy)}`).join("\n"),
    );
  }
  if (wanted) compareLimits(wanted.limits, found.limits);
  return done;
}

/** The limits that are in force must be those that the configuration names. */
function compareLimits(wanted: Limits, live: Limits): void {
  for (const direction of directions) {
    const [want, is] = [describe(wanted[direction]), describe(live[direction])];
    if (want === is) continue;
    throw new CniError(
      CniErrorCode.LIMIT_DIFFERS,
      `CHECK found the ${direction} limit to be ${is}, but the configuration says ${want}`,
    );
  }
  for (const name of ["shapedSubnets", "unshapedSubnets"] as const) {
    const [want, is] = [wanted[name] ?? [], live[name] ?? []].map((subnets) => subnets.join(", ") || "none");
    if (want === is) continue;
    throw new CniError(
      CniErrorCode.LIMIT_DIFFERS,
      `CHECK found ${name} to be ${is}, but the configuration says ${want}`,
    );
  }
}

function describe(limit: Limit | undefined): string {
  if (!limit) return "none";
  const { bitsPerSecond, burstBits, horizonMs, markMs, guaranteeBitsPerSecond: guarantee, weight } = limit;
  const more = [
    ...(burstBits === undefined ? [] : [`a burst of ${formatBits(burstBits)}`]),
    ...(horizonMs === undefined ? [] : [`a horizon of ${horizonMs} ms`]),
    ...(markMs === undefined ? [] : [`marks from ${markMs} ms on`]),
    ...(guarantee === undefined ? [] : [`a guarantee of ${formatRate(guarantee)}`]),
    ...(weight === undefined ? [] : [`a weight of ${weight}`]),
  ];
  return `${formatRate(bitsPerSecond)}${more.length > 0 ? ` with ${more.join(" and ")}` : ""}`;
}

function gc({ input, options }: Call): Reply {
  const configuration = parseConfiguration(input, "GC");
  const valid = validAttachments(configuration);
  using shaper = Shaper.open(options);
  // The network is looked at with the lock held: an ADD of another network meanwhile is none of this call's business.
  const { problems } = shaper.gc(valid, configuration.name);
  if (problems.length === 0) return done;
  throw new CniError(
    CniErrorCode.LEFT_BEHIND,
    `GC could not remove ${problems.length} of the attachments that are no longer valid: ${problems[0]!.id}: ${problems[0]!.message}`,
    problems.map(({ id, message }) => `${id}: ${message}`).join("\n"),
  );
}

/** STATUS: whether ADD could work, and if not, whether pods that run already suffer too. */
function status({ input, options }: Call): Reply {
  parseConfiguration(input, "STATUS");
  const missing = checkRequirements(options).filter(({ ok, required }) => required && !ok);
  if (missing.length === 0) return done;
  const [first] = missing;
  const degraded = degradedAttachments(options);
  throw new CniError(
    degraded.length > 0 ? CniErrorCode.NOT_AVAILABLE_AND_DEGRADED : CniErrorCode.NOT_AVAILABLE,
    joinRemedy(`pods cannot be shaped on this node: ${first!.name}: ${first!.detail}`, first!.remedy),
    [
      ...missing.map(({ name, detail, remedy }) => `${name}: ${joinRemedy(detail, remedy)}`),
      ...degraded.map((id) => `not shaped as it should be: ${id}`),
    ].join("\n"),
  );
}

function degradedAttachments(options: ShaperOptions): string[] {
  using shaper = Shaper.open(options);
  return shaper
    .list()
    .map(({ id }) => id)
    .filter((id) => {
      try {
        return !shaper.inspect(id).healthy;
      } catch {
        return true;
      }
    });
}

function nothing(): Reply {
  return done;
}
