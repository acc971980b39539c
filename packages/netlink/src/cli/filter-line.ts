import { type Action, type Filter, policeSettings } from "../index.js";
import { filterHandle, type LineContext } from "./lines.js";
import { formatInline, verdictText } from "./values.js";

/** A filter's options in the way of tc(8): what it looks for, then what it does. */
export function filterOptions(filter: Filter, { devices }: LineContext): string {
  const { options } = filter;
  if (options === undefined) return "";
  if (options instanceof Uint8Array)
    return options.length === 0 ? "" : `options ${Buffer.from(options).toString("hex")}`;
  const { actions, selector, hash, link, ...rest } = options as unknown as Record<string, unknown> & {
    readonly actions?: readonly Action[];
    readonly selector?: Selector;
    readonly hash?: number;
    readonly link?: number;
  };
  const meanings = { devices, tc: true };
  return [
    hash !== undefined && `ht ${filterHandle({ kind: "u32", handle: hash })}`,
    link !== undefined && `link ${filterHandle({ kind: "u32", handle: link })}`,
    selector && selectorWords(selector),
    formatInline(rest, meanings),
    ...(actions ?? []).map((action) => actionWords(action, meanings)),
  ]
    .filter(Boolean)
    .join(" ");
}

/** What a u32 filter compares. */
interface Selector {
  readonly flags: readonly string[];
  readonly keys: readonly {
    readonly value: number;
    readonly mask: number;
    readonly offset: number;
    readonly offsetMask: number;
  }[];
}

function selectorWords({ flags, keys }: Selector): string {
  const hex = (value: number) => value.toString(16).padStart(8, "0");
  const matches = keys.map(
    ({ value, mask, offset, offsetMask }) =>
      `match ${hex(value)}/${hex(mask)} at ${offsetMask === 0 ? "" : "nexthdr+"}${offset}`,
  );
  return [...flags.map(snake), ...matches].join(" ");
}

/** An action: "action mirred egress redirect dev eth0 stolen index 1". */
function actionWords(action: Action, meanings: Parameters<typeof formatInline>[1]): string {
  const { kind = "none", options, cookie } = action;
  const police = policeSettings(action);
  const words = [`action ${kind}`];
  if (police) {
    const { exceed, conform, index, ...rates } = police;
    words.push(
      formatInline(withoutZeros(rates), meanings),
      `conform-exceed ${verdictWord(exceed)}/${verdictWord(conform)}`,
      `index ${index}`,
    );
  } else if (options instanceof Uint8Array) words.push(Buffer.from(options).toString("hex"));
  else if (options) {
    const { parms = {}, times: _times, ...rest } = options as unknown as Record<string, object>;
    const { action: verdict, index, mode, ifindex, ...own } = parms as Record<string, unknown>;
    const [, side, what] = /^(egress|ingress)(\w+)$/.exec(String(mode)) ?? [];
    words.push(
      side === undefined ? "" : `${side} ${what?.toLowerCase()}`,
      ifindex === undefined ? "" : `dev ${meanings.devices.of(ifindex as number)}`,
      formatInline(withoutZeros({ ...own, ...rest }), meanings),
      verdict === undefined ? "" : verdictWord(verdict as string | number),
      index === undefined ? "" : `index ${index}`,
    );
  }
  if (cookie) words.push(`cookie ${Buffer.from(cookie).toString("hex")}`);
  return words.filter((word) => word !== "").join(" ");
}

/** A verdict in the words of the kernel's constants: "ok", "shot", "goto_chain 5". */
function verdictWord(verdict: string | number): string {
  return typeof verdict === "number" ? (verdictText(verdict) ?? String(verdict)) : snake(verdict);
}

function withoutZeros(value: object): object {
  return Object.fromEntries(Object.entries(value).filter(([, one]) => one !== 0 && one !== "unaware"));
}

function snake(name: string): string {
  return name.startsWith("0x") ? name : name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
