import { formatHandle } from "../index.js";
import { type DeviceNames, deviceGroups, errorName, hardwareType, ipProtocol, routeTables } from "./names.js";

const TYPE_MASK = 0x3fff;
const NESTED = 0x8000;

/** What numbers mean whose names the kernel's messages do not say, by the name of the field. */
export interface Meanings {
  readonly devices: DeviceNames;
  /** Whether the object is of traffic control, where some fields hold handles. */
  readonly tc?: boolean;
  /** Whether the object is a link, whose type is a link-layer type. */
  readonly link?: boolean;
}

/** A value of one field on one line. */
export function formatScalar(key: string, value: unknown, meanings: Meanings): string {
  if (value instanceof Uint8Array) return value.length === 0 ? "(empty)" : Buffer.from(value).toString("hex");
  if (typeof value === "number" || typeof value === "bigint") return formatNumber(key, value, meanings);
  if (typeof value === "string") return /^[\x21-\x7e]+$/.test(value) ? value : quoted(value);
  return String(value);
}

/** What others wrote must not steer the terminal. */
function quoted(text: string): string {
  return JSON.stringify(text).replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function formatNumber(key: string, value: number | bigint, meanings: Meanings): string {
  if (/(?:^m|M)ask$/.test(key) || (meanings.tc && key === "hash")) return `0x${value.toString(16)}`;
  if (typeof value === "number") {
    const meaning = meaningOf(key, value, meanings);
    if (meaning !== undefined) return meaning;
  }
  if (/[bB]itsPerSecond$/.test(key)) return formatUnits(value, 1000, ["bit", "kbit", "Mbit", "Gbit", "Tbit"]);
  if (/[bB]ytesPerSecond$/.test(key)) return formatUnits(value, 1000, ["Bps", "kBps", "MBps", "GBps"]);
  if (/Ns$/.test(key)) return formatUnits(value, 1000, ["ns", "us", "ms", "s"]);
  if (/Us$/.test(key)) return formatUnits(value, 1000, ["us", "ms", "s"]);
  if (/Ms$/.test(key)) return formatUnits(value, 1000, ["ms", "s"]);
  if (/Seconds$/.test(key)) return value === 0xffff_ffff ? "forever" : `${value}s`;
  if (/Bytes$/.test(key)) return `${value}b`;
  return String(value);
}

function meaningOf(key: string, value: number, { devices, tc, link }: Meanings): string | undefined {
  switch (key) {
    case "ifindex":
    case "inputIndex":
      return devices.find(value);
    // An action's index is its number among its kind, a u32 filter's link a hash table.
    case "index":
    case "master":
    case "link":
      return tc ? undefined : devices.find(value);
    case "handle":
    case "parent":
      return tc ? formatHandle(value) : undefined;
    case "leaf":
    case "classid":
    case "classId":
    case "defaultClass":
      return tc ? formatHandle(value) : undefined;
    case "table":
      return routeTables.name(value);
    case "group":
      return deviceGroups.name(value);
    case "type":
      return link ? hardwareType(value) : undefined;
    case "ipProtocol":
      return ipProtocol(value);
    case "action":
    case "conform":
      return tc ? verdictText(value) : undefined;
    // skbedit's is a class.
    case "priority":
      return tc && value > 0xffff ? formatHandle(value) : undefined;
    case "error":
      return errorName(value);
    default:
      return undefined;
  }
}

const JUMP = 1;
const GOTO_CHAIN = 2;

/** A verdict that holds a number: __TC_ACT_EXT of include/uapi/linux/pkt_cls.h. */
export function verdictText(value: number): string | undefined {
  const rest = value & 0x0fff_ffff;
  if (value >>> 28 === GOTO_CHAIN) return `goto_chain ${rest}`;
  return value >>> 28 === JUMP ? `jump ${rest}` : undefined;
}

/** The largest unit in which a number is whole: nothing is rounded. */
function formatUnits(value: number | bigint, step: number, units: readonly string[]): string {
  let rest = BigInt(value);
  let unit = 0;
  while (rest !== 0n && rest % BigInt(step) === 0n && unit < units.length - 1) {
    rest /= BigInt(step);
    unit++;
  }
  return `${rest}${units[unit]}`;
}

/** An object as indented lines, one a field. */
export function formatTree(value: object, meanings: Meanings, indent = 4): string[] {
  const pad = " ".repeat(indent);
  return Object.entries(value).flatMap(([key, item]) => {
    if (item === undefined || item === null) return [];
    if (key === "unknown" && Array.isArray(item)) return item.map((one) => `${pad}${formatUnknown(one)}`);
    if (!isNested(item)) return [`${pad}${key} ${formatScalar(likeMask(key, value), item, meanings)}`];
    if (!Array.isArray(item)) {
      const lines = formatTree(item, meanings, indent + 2);
      return lines.length === 0 ? [`${pad}${key} {}`] : [`${pad}${key}`, ...lines];
    }
    if (!item.some(isNested))
      return [`${pad}${key} ${item.map((one) => formatScalar(key, one, meanings)).join(",") || "[]"}`];
    return item.flatMap((one, place) => [
      `${pad}${key}[${place}]`,
      ...(isNested(one)
        ? formatTree(one, meanings, indent + 2)
        : [`${pad}  ${formatScalar(key, one, meanings)}`]),
    ]);
  });
}

/** What one line leaves out of actions: counters, and what the kernel keeps for itself. */
const details = new Set(["stats", "times", "capabilities", "references", "bindings"]);

/** An object's fields on one line in the way of tc(8): "limit 10000 flow_limit 100 rate 1Mbit". */
export function formatInline(value: object, meanings: Meanings): string {
  return Object.entries(value)
    .flatMap(([key, item]) => {
      if (item === undefined || item === null || (meanings.tc && details.has(key))) return [];
      if (key === "unknown" && Array.isArray(item)) return item.map(formatUnknown);
      const name = inlineName(key);
      if (item === true) return [name];
      if (!isNested(item)) return [`${name} ${formatScalar(likeMask(key, value), item, meanings)}`];
      if (!Array.isArray(item)) return [`${name} { ${formatInline(item, meanings)} }`];
      if (item.length === 0) return [];
      if (!item.some(isNested))
        return [`${name} ${item.map((one) => flagWord(key, formatScalar(key, one, meanings))).join(",")}`];
      return item.map((one) => `${name} { ${formatInline(one as object, meanings)} }`);
    })
    .join(" ");
}

/** Flags have underscores too. */
function flagWord(key: string, text: string): string {
  return /^(?:\w+F|f)lags$/.test(key) && !text.startsWith("0x")
    ? text.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
    : text;
}

/** A value that a mask stands beside reads like the mask: in hexadecimal. */
function likeMask(key: string, around: object): string {
  return key === "value" && "mask" in around ? "mask" : key;
}

/** tc(8) has underscores, and its units stand behind the numbers. */
function inlineName(key: string): string {
  const bare = key.replace(/(?:BitsPerSecond|BytesPerSecond|Bytes|Us|Ns|Ms|Seconds)$/, "");
  return (bare === "" ? key : bare).replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function formatUnknown(one: unknown): string {
  const { type = 0, bytes } = one as { readonly type?: number; readonly bytes?: Uint8Array };
  const hex = bytes && bytes.length > 0 ? Buffer.from(bytes).toString("hex") : "(empty)";
  return `#${type & TYPE_MASK}${type & NESTED ? " nested" : ""} ${hex}`;
}

function isNested(value: unknown): value is object {
  return typeof value === "object" && value !== null && !(value instanceof Uint8Array);
}
