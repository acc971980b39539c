import { directions, type Limits, removeTraces, Shaper, type ShaperOptions } from "@weir/shaper";
import { formatRate } from "../units.js";
import { findAttachment, findAttachments } from "./attachments.js";
import { CommandError, type ExitCode, exitCode } from "./errors.js";
import { defaultId, existingNamespace, namespacePath } from "./namespace.js";
import { RateMeter } from "./rates.js";
import { inspectRecord, known, printStatus, statusJson } from "./status.js";
import type { Terminal } from "./terminal.js";
import { wait } from "./wait.js";

/** What every command gets. */
export interface Context {
  terminal: Terminal;
  options: ShaperOptions;
  json: boolean;
}

/** `weir apply`. */
export function apply(
  {
    netns: pathOrName,
    device,
    id: given,
    aggregate: named,
    uplink: shared,
    ...limits
  }: { netns: string; device: string; id?: string; aggregate?: string; uplink?: string } & Limits,
  { terminal, options, json }: Context,
): ExitCode {
  const netns = existingNamespace(pathOrName);
  using shaper = Shaper.open(options);
  const id = given ?? idAt(shaper, netns, device) ?? defaultId(netns, device);
  const before = shaper.list().find((record) => record.id === id);
  const [aggregate, uplink] = [named ?? before?.aggregate, shared ?? before?.uplink];
  const joins = {
    ...(aggregate === undefined ? {} : { aggregate }),
    ...(uplink === undefined ? {} : { uplink }),
  };
  shaper.apply({ id, netns, device, ...joins }, limits);
  if (json) {
    terminal.printJson(statusJson(known(shaper.inspect(id))));
    return exitCode.OK;
  }
  const parts = directions
    .filter((direction) => limits[direction])
    .map((direction) => `${direction} ${formatRate(limits[direction]!.bitsPerSecond)}`);
  terminal.print(`${id}: ${parts.join(", ")}`);
  return exitCode.OK;
}

/** `weir remove`. */
export function remove(
  target: { id: string } | { netns: string; device: string },
  { terminal, options, json }: Context,
): ExitCode {
  using shaper = Shaper.open(options);
  const id =
    "id" in target
      ? findAttachment(shaper, target.id).id
      : (idAt(shaper, namespacePath(target.netns), target.device) ?? notShaped(target));
  shaper.remove(id, { drain: true });
  if (json) terminal.printJson({ id, removed: true });
  else terminal.print(`${id}: no limit any more`);
  return exitCode.OK;
}

/** `weir status`. @param intervalMs between the two samples that tell what passes now; 0 for none */
export async function status(
  { id: name, intervalMs }: { id?: string; intervalMs: number },
  { terminal, options, json }: Context,
): Promise<ExitCode> {
  using shaper = Shaper.open(options);
  const records = name === undefined ? shaper.list() : findAttachments(shaper, name);
  const meter = new RateMeter();
  const ids = records.map(({ id }) => id);
  if (intervalMs > 0 && ids.length > 0) {
    meter.sample(shaper, ids);
    await wait(intervalMs);
    meter.sample(shaper, ids);
  }
  const all = records.map((record) => inspectRecord(shaper, record));
  if (json) {
    const states = all.map((one) => statusJson(one, meter));
    // By an id, the object itself.
    terminal.printJson(all.length === 1 && all[0]?.record.id === name ? states[0]! : states);
  } else if (all.length === 0) terminal.print("nothing is shaped on this node");
  else printStatus(all, terminal, meter);
  return exitCode.OK;
}

/** `weir gc`: exit code 1 where something could not be removed. */
export function gc({ terminal, options, json }: Context): ExitCode {
  using shaper = Shaper.open(options);
  const { removed, problems } = shaper.gc();
  const { removed: traces, problems: more } = removeTraces(options);
  problems.push(...more);
  if (json) {
    terminal.printJson({ removed, traces, problems: problems.map(({ id, message }) => ({ id, message })) });
  } else {
    for (const id of removed) terminal.print(`${id}: removed`);
    for (const id of traces) terminal.print(`${id}: what a trace has left was removed`);
    if (removed.length + traces.length + problems.length === 0) terminal.print("nothing was left over");
    for (const { id, message } of problems) terminal.complain(`weir: ${id}: ${message}`);
  }
  return problems.length === 0 ? exitCode.OK : exitCode.FAILED;
}

/** The id of what is shaped already at a place, so that `weir apply` changes a limit that the plugin set. */
function idAt(shaper: Shaper, netns: string, device: string): string | undefined {
  return shaper.list().find((record) => record.device === device && namespacePath(record.netns) === netns)
    ?.id;
}

function notShaped({ netns, device }: { netns: string; device: string }): never {
  throw new CommandError(
    `${device} in ${namespacePath(netns)} is not shaped`,
    "`weir status` lists what is.",
  );
}
