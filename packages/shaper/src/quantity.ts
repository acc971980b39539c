import { ShaperError } from "./errors.js";

/** Powers of a thousand, and below one: the decimal suffixes of a Kubernetes quantity. */
const decimal: Record<string, number> = { n: -9, u: -6, m: -3, "": 0, k: 3, M: 6, G: 9, T: 12, P: 15, E: 18 };
const binary: Record<string, bigint> = {
  Ki: 1n << 10n,
  Mi: 1n << 20n,
  Gi: 1n << 30n,
  Ti: 1n << 40n,
  Pi: 1n << 50n,
  Ei: 1n << 60n,
};

const format = /^([+-]?)(\d+(?:\.\d*)?|\.\d+)(?:([eE][+-]?\d+)|(Ki|Mi|Gi|Ti|Pi|Ei|[numkMGTPE])?)$/;

/**
 * Reads a Kubernetes quantity (`resource.Quantity` of k8s.io/apimachinery) as bits per second: "100M", "1Gi", "1e8",
 * "1.5G". A fraction is rounded away from zero, as Quantity.Value does.
 * @returns bits per second, unchecked against any range
 * @throws ShaperError INVALID_LIMIT for anything else: "100K", "100Mbps", "100 M"
 */
export function parseQuantity(text: string): bigint {
  const match = text.length <= 64 ? format.exec(text) : null;
  if (!match) throw notAQuantity(text);
  const [, sign, number = "", exponent, suffix = ""] = match;
  const [whole = "", fraction = ""] = number.split(".");
  const power = exponent === undefined ? (decimal[suffix] ?? 0) : Number(exponent.slice(1));
  if (Math.abs(power) > 100) throw notAQuantity(text);
  let numerator = BigInt(whole + fraction || "0") * (binary[suffix] ?? 1n);
  let denominator = 1n;
  const shift = power - fraction.length;
  if (shift >= 0) numerator *= 10n ** BigInt(shift);
  else denominator = 10n ** BigInt(-shift);
  const value = (numerator + denominator - 1n) / denominator;
  return sign === "-" ? -value : value;
}

function notAQuantity(text: string): ShaperError {
  const shown = text.length > 64 ? `${text.slice(0, 61)}...` : text;
  return new ShaperError("INVALID_LIMIT", `${JSON.stringify(shown)} is no quantity of bits per second`, {
    remedy:
      'Write it as Kubernetes does: "100M" is 100 Mbit/s, "1Gi" is 2^30 bit/s, "64k" is 64 kbit/s (small k).',
  });
}
