/** One field in which a map differs from its definition. */
export interface MapDifference {
  readonly field: "type" | "keySize" | "valueSize" | "maxEntries" | "flags" | "mapExtra";
  readonly wanted: string | number | bigint;
  readonly found: string | number | bigint;
}

/** A map that exists and was to be used, but does not fit its definition. */
export class MapMismatchError extends Error {
  override readonly name = "MapMismatchError";
  readonly code = "BPF_MAP_MISMATCH";
  /** The map's name. */
  readonly map: string;
  /** Every field that differs. */
  readonly differences: readonly MapDifference[];

  /** Takes the map's name, where it is, and the fields that differ. */
  constructor(map: string, where: string, differences: readonly MapDifference[]) {
    const list = differences
      .map(({ field, wanted, found }) => `${field} is ${found} instead of ${wanted}`)
      .join(", ");
    super(`the ${where} does not fit the definition of map "${map}": ${list}`);
    this.map = map;
    this.differences = differences;
  }
}
