import { BpfCommand, errno, type Struct, tryBpf } from "@weir/syscall";
import { hostLittleEndian } from "../asm.js";
import { mapElement } from "../kernel/attributes.js";
import type { MapElements } from "./elements.js";

/**
 * The keys, one at a time, in the same bytes each time: by number where the map is indexed, else by
 * BPF_MAP_GET_NEXT_KEY. It asks for the next key before it gives one, so that this one may be deleted.
 *
 * Where the key to go on from is deleted by others, the kernel begins again at the first: keys then come twice, and a
 * walk that does not end by itself is ended with SystemError (EAGAIN).
 * @param deleting whether each key is deleted before the next is asked for; then there is always a first key
 */
export function* walkKeys(map: MapElements, deleting: boolean): Generator<Uint8Array, void, undefined> {
  const { keySize, type, indexed } = map.shape;
  if (indexed) return yield* indexes(map);
  if (keySize === 0) throw new TypeError(`maps of type ${type ?? "unknown"} have no keys`);
  const current = new Uint8Array(keySize);
  const next = new Uint8Array(keySize);
  const attr = mapElement.build({ mapFd: map.fd.number, value: next });
  const bound = new Bound(map);
  let more = advance(map, attr);
  if (!deleting) attr.pointer(mapElement.offset.key, current);
  while (more) {
    bound.add(1, BpfCommand.MAP_GET_NEXT_KEY);
    current.set(next);
    if (!deleting) more = advance(map, attr);
    yield current;
    if (deleting) more = advance(map, attr);
  }
}

/** Ends a walk that others keep from ending. */
export class Bound {
  #left: number;
  readonly #map: MapElements;

  constructor(map: MapElements) {
    this.#map = map;
    this.#left = map.shape.maxEntries * 2 + 64;
  }

  /** Throws SystemError (EAGAIN) once far more elements were counted than the map can hold. */
  add(count: number, command: number): void {
    this.#left -= count;
    if (this.#left < 0) throw this.#map.error(command, -errno.EAGAIN!, "walk, while it changes without end,");
  }
}

function advance(map: MapElements, attr: Struct): boolean {
  map.fd.number;
  const result = tryBpf(BpfCommand.MAP_GET_NEXT_KEY, attr);
  if (result >= 0) return true;
  if (result === -errno.ENOENT!) return false;
  throw map.error(BpfCommand.MAP_GET_NEXT_KEY, result, "walk");
}

function* indexes(map: MapElements): Generator<Uint8Array, void, undefined> {
  const key = new Uint8Array(4);
  const view = new DataView(key.buffer);
  for (let index = 0; index < map.shape.maxEntries; index++) {
    view.setUint32(0, index, hostLittleEndian);
    yield key;
  }
}
