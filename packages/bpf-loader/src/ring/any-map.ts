import type { BpfMap } from "../maps/map.js";

/** A {@link BpfMap}, whatever its keys and values are. */
export type AnyMap = Pick<BpfMap, "fd" | "name" | "type" | "maxEntries">;
