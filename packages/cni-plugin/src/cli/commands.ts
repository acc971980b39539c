import { checkRequirements, type Limits, Shaper, type ShaperOptions } from "@weir/shaper";
import { firstLine } from "../cni/explain.js";
import { formatRate } from "../units.js";
import { CommandError, type ExitCode, exitCode } from "./errors.js";
import { defaultId, existingNamespace, namespacePath } from "./namespace.js";
import { inspectAll, known, printProblems, printStatus, statusJson } from "./status.js";
import { formatTable, type Terminal } from "./terminal.js";

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
  const parts = (["egress", "ingress"] as const)
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
      ? target.id
      : (idAt(shaper, namespacePath(target.netns), target.device) ?? notShaped(target));
  if (!shaper.remove(id, { drain: true })) throw unknownId(id);
  if (json) terminal.printJson({ id, removed: true });
  else terminal.print(`${id}: no limit any more`);
  return exitCode.OK;
}

/** `weir status`. */
export function status({ id }: { id?: string }, { terminal, options, json }: Context): ExitCode {
  using shaper = Shaper.open(options);
  const all = id === undefined ? inspectAll(shaper) : [inspectOne(shaper, id)];
  if (json) terminal.printJson(id === undefined ? all.map(statusJson) : statusJson(all[0]!));
  else if (all.length === 0) terminal.print("nothing is shaped on this node");
  else printStatus(all, terminal);
  return exitCode.OK;
}

/** `weir doctor`: exit code 1 where something that is required is missing. */
export function doctor({ terminal, options, json }: Context): ExitCode {
  const requirements = checkRequirements(options);
  using shaper = Shaper.open(options);
  const all = inspectAll(shaper);
  const missing = requirements.filter(({ ok, required }) => required && !ok);
  if (json) {
    terminal.printJson({
      ok: missing.length === 0,
      requirements: requirements.map(({ name, what, ok, required, detail, remedy }) => ({
        name,
        what,
        ok,
        required,
        detail,
        remedy,
      })),
      attachments: all.map(statusJson),
    });
    return missing.length === 0 ? exitCode.OK : exitCode.FAILED;
  }
  const { style } = terminal;
  const rows = requirements.map(({ name, what, ok, required, detail }) => [
    { text: name, style: style.bold },
    ok
      ? { text: "yes", style: style.green }
      : required
        ? { text: "NO", style: style.red }
        : { text: "no (optional)", style: style.yellow },
    what,
    { text: firstLine(detail), style: style.dim },
  ]);
  terminal.print(formatTable(["REQUIREMENT", "THERE", "WHAT FOR", "DETAIL"], rows));
  const remedies = requirements.filter(({ ok, remedy }) => !ok && remedy);
  if (remedies.length > 0) {
    terminal.print(
      ["", ...remedies.map(({ name, remedy }) => `${style.yellow(name)}: ${remedy}`)].join("\n"),
    );
  }
  const ill = all.filter(({ healthy }) => !healthy);
  terminal.print("");
  if (missing.length === 0) terminal.print(style.green("This node can shape pods."));
  else
    terminal.print(
      style.red(`This node cannot shape pods: ${missing.map(({ name }) => name).join(", ")} missing.`),
    );
  terminal.print(
    `${all.length} ${all.length === 1 ? "attachment" : "attachments"}, ${ill.length} with problems.`,
  );
  printProblems(ill, terminal);
  return missing.length === 0 ? exitCode.OK : exitCode.FAILED;
}

/** `weir gc`: exit code 1 where something could not be removed. */
export function gc({ terminal, options, json }: Context): ExitCode {
  using shaper = Shaper.open(options);
  const { removed, problems } = shaper.gc();
  if (json) terminal.printJson({ removed, problems: problems.map(({ id, message }) => ({ id, message })) });
  else {
    for (const id of removed) terminal.print(`${id}: removed`);
    if (removed.length === 0 && problems.length === 0) terminal.print("nothing was left over");
    for (const { id, message } of problems) terminal.complain(`weir: ${id}: ${message}`);
  }
  return problems.length === 0 ? exitCode.OK : exitCode.FAILED;
}

/** The id of what is shaped already at a place, so that `weir apply` changes a limit that the plugin set. */
function idAt(shaper: Shaper, netns: string, device: string): string | undefined {
  return shaper.list().find((record) => record.device === device && namespacePath(record.netns) === netns)
    ?.id;
}

function inspectOne(shaper: Shaper, id: string) {
  try {
    return known(shaper.inspect(id));
  } catch (error) {
    throw (error as { code?: unknown }).code === "NOT_FOUND" ? unknownId(id) : error;
  }
}

function notShaped({ netns, device }: { netns: string; device: string }): never {
  throw new CommandError(
    `${device} in ${namespacePath(netns)} is not shaped`,
    "`weir status` lists what is.",
  );
}

function unknownId(id: string): CommandError {
  return new CommandError(
    `nothing is shaped under the id ${JSON.stringify(id)}`,
    "`weir status` lists what is.",
  );
}
