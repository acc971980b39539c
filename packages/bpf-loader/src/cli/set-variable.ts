import type { BpfObject, BtfValue } from "../index.js";
import { UsageError } from "./errors.js";

/**
 * Gives a global variable a value from the command line: `sample_every=10`, `name=eth0`, `table=[1, 2, 3, 4]`,
 * `limits={"rate": 1000}`. Throws {@link UsageError} for what is no assignment and for a value that does not fit;
 * BpfObjectError for a variable that is not there.
 */
export function setVariable(object: BpfObject, assignment: string): void {
  const equals = assignment.indexOf("=");
  if (equals <= 0) throw new UsageError(`--set takes NAME=VALUE, not "${assignment}"`);
  const [name, text] = [assignment.slice(0, equals), assignment.slice(equals + 1)];
  const variable = object.variable(name);
  try {
    variable.set(parse(text, variable.get()));
  } catch (error) {
    throw new UsageError(`--set ${assignment}: ${(error as Error).message}`, { cause: error });
  }
}

/** A text as a value of the same kind as another; what is no number stays a text, which may name an enumerator. */
function parse(text: string, like: BtfValue): BtfValue {
  const isNumber = /^[+-]?(0x[0-9a-f]+|\d+)$/i.test(text);
  if (typeof like === "bigint" && isNumber) return integer(text);
  if (typeof like === "number" && isNumber) return Number(integer(text));
  if (typeof like === "number" && text !== "" && Number.isFinite(Number(text))) return Number(text);
  if (typeof like === "boolean" && /^(true|false|1|0)$/.test(text)) return text === "true" || text === "1";
  if (like instanceof Uint8Array) return /^0x([0-9a-f]{2})*$/i.test(text) ? bytes(text.slice(2)) : text;
  if (typeof like === "object") return convert(JSON.parse(text), like);
  return text;
}

/** BigInt() takes no sign before hexadecimal digits. */
function integer(text: string): bigint {
  const [, sign, digits] = /^([+-]?)(.*)$/.exec(text)!;
  return sign === "-" ? -BigInt(digits!) : BigInt(digits!);
}

function bytes(digits: string): Uint8Array {
  return new Uint8Array(Buffer.from(digits, "hex"));
}

/** A value as JSON has it, in the kinds of another: 64-bit integers may be numbers or strings of digits. */
function convert(json: unknown, like: BtfValue | undefined): BtfValue {
  if (like === undefined) return json as BtfValue;
  if (Array.isArray(like) && Array.isArray(json))
    return json.map((one, i) => convert(one, like[i] ?? like[0]));
  if (isFields(like) && isFields(json)) {
    return Object.fromEntries(Object.entries(json).map(([key, one]) => [key, convert(one, like[key])]));
  }
  return typeof json === "string" || typeof json === "number"
    ? parse(String(json), like)
    : (json as BtfValue);
}

function isFields(value: unknown): value is { [key: string]: BtfValue } {
  return (
    typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array)
  );
}
