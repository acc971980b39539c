import { MAX_BITS_PER_SECOND, MIN_BITS_PER_SECOND, parseQuantity } from "@weir/shaper";

/**
 * Reads a rate as an annotation or the configuration file has it: a Kubernetes quantity of bits per second in the range
 * that Kubernetes allows, from 1k to less than 1P.
 * @throws Error with one sentence that says what is wrong with it
 */
export function parseRate(text: string): bigint {
  const bits = parseQuantity(text.trim());
  if (bits >= MIN_BITS_PER_SECOND && bits <= MAX_BITS_PER_SECOND) return bits;
  throw new Error(`${JSON.stringify(text)} is ${bits} bit/s, but must be at least 1k and less than 1P`);
}
