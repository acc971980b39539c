import { NotSupportedError } from "@weir/syscall";
import { mapType } from "../features/map-probe.js";
import { misc } from "../features/misc.js";
import { programType } from "../features/program-probe.js";
import { helperSince, mapTypeSince, programTypeSince } from "../features/since.js";
import { helperName } from "../names/helpers.js";
import type { MapType, ProgramType } from "../names/tables.js";

/** The missing feature that explains why a program does not load; undefined if none is known to be missing. */
export function missingForProgram(
  type: ProgramType,
  code: Uint8Array,
  log: string,
): NotSupportedError | undefined {
  if (log === "" && !programType(type)) {
    const since = programTypeSince(type);
    return new NotSupportedError({ feature: `programs of type ${type}`, ...(since && { since }) });
  }
  const helper = /invalid func unknown#(\d+)/.exec(log)?.[1];
  if (helper !== undefined) {
    const name = helperName(Number(helper));
    const since = helperSince(Number(helper));
    return new NotSupportedError({
      feature: name ? `helper ${name} (${helper})` : `helper ${helper}`,
      ...(since && { since }),
    });
  }
  if (usesAtomics(code) && !misc("atomics")) {
    return new NotSupportedError({
      feature: "atomic BPF instructions beyond a plain add",
      since: "5.12",
      hint: "The program uses fetch, exchange or compare-and-exchange; load a variant without them.",
    });
  }
  return undefined;
}

/** The missing feature that explains why a map is not created; undefined if none is known to be missing. */
export function missingForMap(type: MapType): NotSupportedError | undefined {
  if (mapType(type)) return undefined;
  const since = mapTypeSince(type);
  return new NotSupportedError({ feature: `maps of type ${type}`, ...(since && { since }) });
}

/** Whether code has an atomic instruction (BPF_STX | BPF_ATOMIC, 4 or 8 bytes) other than BPF_ADD without fetch. */
function usesAtomics(code: Uint8Array): boolean {
  for (let at = 0; at + 8 <= code.length; at += 8) {
    const opcode = code[at];
    if (opcode === 0x18) at += 8;
    else if ((opcode === 0xc3 || opcode === 0xdb) && code.subarray(at + 4, at + 8).some((byte) => byte !== 0))
      return true;
  }
  return false;
}
