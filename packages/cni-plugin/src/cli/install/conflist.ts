import { supportedVersions } from "../../cni/configuration.js";
import { CommandError } from "../errors.js";
import { append, childrenOf, formatLike, memberOf, type Place, removeElement, rootOf } from "./json-text.js";

/** The entry that weir adds to a conflist. */
export const ENTRY = { type: "weir", capabilities: { bandwidth: true } } as const;

/** A network's list of plugins, as it stands in its file. */
export interface Conflist {
  readonly file: string;
  /** The network's name. */
  readonly network: string;
  /** The file, character by character. */
  readonly text: string;
  readonly plugins: readonly ConflistEntry[];
}

/** What weir looks at in a plugin's entry. */
export interface ConflistEntry {
  readonly type: string;
  readonly capabilities?: { readonly bandwidth?: unknown };
}

/**
 * Reads a conflist's text.
 * @throws CommandError where it is none, naming what is wrong and what to do
 */
export function parseConflist(file: string, text: string): Conflist {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new CommandError(`${file} is no JSON: ${(error as Error).message}`, "Correct it first.");
  }
  if (!isObject(value)) throw new CommandError(`${file} is no CNI configuration: it must be a JSON object`);
  if (value.plugins === undefined && typeof value.type === "string") throw singlePlugin(file, value);
  const { name: network, plugins } = value;
  if (typeof network !== "string" || network === "") throw invalid(file, "has no name");
  if (!Array.isArray(plugins)) throw invalid(file, "has no list of plugins");
  for (const [index, plugin] of plugins.entries()) {
    if (!isObject(plugin) || typeof plugin.type !== "string")
      throw invalid(file, `plugins[${index}] has no type`);
  }
  return { file, network, text, plugins: plugins as ConflistEntry[] };
}

/**
 * Checks that weir can serve a network.
 * @throws CommandError for a version of CNI that weir does not speak, a list without a plugin before it, and the
 *   reference `bandwidth` plugin, which would limit the same traffic a second time
 */
export function checkServable({ file, text, plugins }: Conflist): void {
  const { cniVersion, cniVersions } = JSON.parse(text) as { cniVersion?: unknown; cniVersions?: unknown };
  const versions = Array.isArray(cniVersions) ? cniVersions : [cniVersion ?? "0.1.0"];
  const known: readonly unknown[] = supportedVersions;
  const strange = versions.find((version) => !known.includes(version));
  if (strange !== undefined) {
    throw new CommandError(
      `${file} is of CNI version ${JSON.stringify(strange)}, which weir does not speak`,
      `It speaks ${supportedVersions.join(", ")}: change cniVersion, if the other plugins agree.`,
    );
  }
  const others = plugins.filter(({ type }) => type !== ENTRY.type);
  if (others.length === 0) {
    throw new CommandError(
      `${file} names no plugin that weir could be chained to`,
      "It limits what others make.",
    );
  }
  if (others.some(({ type }) => type === "bandwidth")) {
    throw new CommandError(
      `${file} has the reference "bandwidth" plugin, which would limit the same traffic a second time`,
      'Take its entry out, or change its type to "weir", which reads the same fields.',
    );
  }
}

/** The text of a conflist with weir last in the chain; the same text where it is there already. */
export function withWeir({ text, plugins }: Conflist): string {
  const list = pluginsPlace(text);
  const index = plugins.findIndex(({ type }) => type === ENTRY.type);
  if (index < 0) return append(text, list, (layout) => formatLike(ENTRY, layout));
  const entry = childrenOf(text, list)[index]!;
  if (plugins[index]!.capabilities?.bandwidth === true) return text;
  return withCapability(text, entry);
}

/** The text of a conflist without weir; the same text where it is not there. */
export function withoutWeir({ file, text, plugins }: Conflist): string {
  let rest = text;
  const ours = plugins.flatMap(({ type }, index) => (type === ENTRY.type ? [index] : []));
  if (ours.length > 0 && ours.length === plugins.length) {
    throw new CommandError(
      `${file} has no plugin but weir`,
      "A network without any cannot be: remove the file.",
    );
  }
  for (const index of ours.reverse()) rest = removeElement(rest, pluginsPlace(rest), index);
  return rest;
}

/** Whether a conflist has weir in its chain. */
export function hasWeir({ plugins }: Conflist): boolean {
  return plugins.some(({ type }) => type === ENTRY.type);
}

function withCapability(text: string, entry: Place): string {
  const capabilities = memberOf(text, entry, "capabilities");
  if (!capabilities) {
    return append(
      text,
      entry,
      (layout) => `"capabilities": ${formatLike(ENTRY.capabilities, { ...layout, multiline: false })}`,
    );
  }
  const bandwidth = memberOf(text, capabilities, "bandwidth");
  if (bandwidth) return `${text.slice(0, bandwidth.start)}true${text.slice(bandwidth.end)}`;
  if (childrenOf(text, capabilities).length > 0) return append(text, capabilities, () => '"bandwidth": true');
  return (
    text.slice(0, capabilities.start) + JSON.stringify(ENTRY.capabilities) + text.slice(capabilities.end)
  );
}

function pluginsPlace(text: string): Place {
  return memberOf(text, rootOf(text), "plugins")!;
}

function singlePlugin(file: string, value: Record<string, unknown>): CommandError {
  const { cniVersion, name, ...plugin } = value;
  const list = { cniVersion: cniVersion ?? "0.4.0", name, plugins: [plugin] };
  const target = `${file.replace(/\.(conf|json)$/, "")}.conflist`;
  return new CommandError(
    `${file} configures a single plugin, to which none can be chained`,
    `Write it as a list, ${target}, and remove ${file}: ${JSON.stringify(list)}`,
  );
}

function invalid(file: string, what: string): CommandError {
  return new CommandError(`${file} is no conflist: it ${what}`);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
