import { MAX_UPLINK_BITS_PER_SECOND, MIN_UPLINK_BITS_PER_SECOND, parseQuantity } from "@weir/shaper";
import { parse } from "yaml";
import { z } from "zod";
import { sentenceOf } from "./errors.js";
import { parseRate } from "./quantity.js";

/** A rate for each direction, in bits per second; one that is absent is not set. */
export interface Rates {
  egress?: bigint;
  ingress?: bigint;
}

/** A capacity that pods share. */
export interface UplinkSettings {
  name: string;
  /** What they may send together, in bits per second. */
  egress: bigint;
  /** What they may receive together; absent where that is not shared. */
  ingress?: bigint;
}

/** What the configuration file says. */
export interface Settings {
  /** For pods without an annotation. */
  defaults: Rates;
  /** What no pod gets more than. */
  maximum: Rates;
  /** Namespaces whose pods are left as the plugin made them. */
  excludedNamespaces: string[];
  uplinks: UplinkSettings[];
  /** Whether links that the host holds take the place of filters inside pods. */
  hold: boolean;
  /** How often all attachments are compared with the kernel. */
  fullPassSeconds: number;
  /** HOST:PORT, or "off". */
  metricsAddress: string;
  logLevel: LogLevel;
  /** Where libcni keeps what it did. */
  cniCacheFolders: string[];
}

/** From which levels on can be logged. */
export const logLevels = ["trace", "debug", "info", "warn", "error"] as const;

/** From which level on is logged. */
export type LogLevel = (typeof logLevels)[number];

/** A configuration file that says something wrong: one sentence for each mistake. */
export class ConfigurationError extends Error {
  override name = "ConfigurationError";
}

/** Where metrics are served unless something else is asked for: the port is the agent's own, the address loopback. */
export const DEFAULT_METRICS_ADDRESS = "127.0.0.1:9464";

/** A value as YAML has it: `100M` is text, `100000000` a number. */
const scalar = z.union([z.string(), z.number()]).transform(String);
const quantity = (read: (text: string) => bigint) =>
  scalar.transform((text, context) => {
    try {
      return read(text);
    } catch (error) {
      context.addIssue({ code: "custom", message: sentenceOf(error) });
      return z.NEVER;
    }
  });
const rate = quantity(parseRate);
const capacity = quantity((text) => {
  const bits = parseQuantity(text);
  if (bits >= MIN_UPLINK_BITS_PER_SECOND && bits <= MAX_UPLINK_BITS_PER_SECOND) return bits;
  throw new Error(
    `"${text}" is ${bits} bit/s, but must be from ${MIN_UPLINK_BITS_PER_SECOND} to ${MAX_UPLINK_BITS_PER_SECOND}`,
  );
});
/** A key without a value is YAML for null, and means what leaving it out means. */
const optional = <T extends z.ZodType>(type: T) => type.nullish().transform((value) => value ?? undefined);
const rates = z.strictObject({ egress: optional(rate), ingress: optional(rate) }).transform(withoutUndefined);

const file = z.strictObject({
  defaults: optional(rates),
  maximum: optional(rates),
  excludedNamespaces: optional(z.array(z.string().min(1))),
  uplinks: optional(
    z.array(
      z
        .strictObject({ name: z.string().min(1), egress: capacity, ingress: optional(capacity) })
        .transform(withoutUndefined),
    ),
  ),
  hold: optional(z.boolean()),
  fullPassSeconds: optional(z.number().min(1).max(86_400)),
  metricsAddress: optional(
    z.string().refine((text) => text === "off" || isAddress(text), {
      message: 'it must be HOST:PORT, such as 127.0.0.1:9464 or [::1]:9464, or "off"',
    }),
  ),
  logLevel: optional(z.enum(logLevels)),
  cniCacheFolders: optional(z.array(z.string().startsWith("/", "it must be an absolute path"))),
});

/** What counts where nothing is configured. */
export const builtIn: Settings = {
  defaults: {},
  maximum: {},
  excludedNamespaces: [],
  uplinks: [],
  hold: true,
  fullPassSeconds: 60,
  metricsAddress: DEFAULT_METRICS_ADDRESS,
  logLevel: "info",
  cniCacheFolders: ["/var/lib/cni/results", "/var/lib/cni/multus/results"],
};

/**
 * Reads a configuration file.
 * @param text YAML; empty means that everything is as it is built in
 * @throws ConfigurationError that names each field that is wrong, and what is allowed
 */
export function parseSettings(text: string): Settings {
  let value: unknown;
  try {
    // Aliases can make a small file expand without bound.
    value = parse(text, { maxAliasCount: 100 }) ?? {};
  } catch (error) {
    throw new ConfigurationError(`it is no YAML: ${(error as Error).message.split("\n")[0]}`);
  }
  const { success, data, error } = file.safeParse(value);
  if (!success) {
    throw new ConfigurationError(
      error.issues
        .map(({ path, message }) => (path.length > 0 ? `${fieldName(path)}: ${message}` : message))
        .join("; "),
    );
  }
  const settings: Settings = { ...builtIn, ...(withoutUndefined(data) as Partial<Settings>) };
  const names = settings.uplinks.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined)
    throw new ConfigurationError(`uplinks: ${JSON.stringify(twice)} stands there twice`);
  return settings;
}

/** HOST:PORT taken apart; undefined where it is something else. */
export function parseAddress(text: string): { host: string; port: number } | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (!match || port > 65_535) return undefined;
  return { host: match[1] ?? match[2] ?? "", port };
}

function isAddress(text: string): boolean {
  return parseAddress(text) !== undefined;
}

function fieldName(path: readonly PropertyKey[]): string {
  return path
    .map((part, at) => (typeof part === "number" ? `[${part}]` : `${at > 0 ? "." : ""}${String(part)}`))
    .join("");
}

function withoutUndefined<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined)) as never;
}
