import { errno } from "./errno.js";
import { SystemError } from "./errors.js";
import type { Fd } from "./fd.js";
import { lastErrno, libc, memoryAt } from "./libc.js";

const PROT_READ = 1;
const PROT_WRITE = 2;
const MAP_SHARED = 0x01;
const MAP_PRIVATE = 0x02;
const MAP_FIXED = 0x10;
const MAP_ANONYMOUS = 0x20;
const MAP_NORESERVE = 0x4000;

/** Gives an address range back once nobody can reach its ArrayBuffer any more. */
const placeholders = new FinalizationRegistry<{ address: number; length: number }>(({ address, length }) => {
  libc.munmap(address, length);
});

/**
 * Memory shared with the kernel through mmap(2).
 *
 * Views may outlive the mapping: disposing puts harmless private memory in its place (no page of it is used until
 * someone touches it), and the address range itself is given back when the last view is collected. A late access
 * therefore reads zeros or writes into nothing, where munmap would end the process with SIGSEGV.
 */
export class MemoryMap implements Disposable {
  /** The mapped memory. Make views of it once: each call into it is cheap, each new view is not. */
  readonly buffer: ArrayBuffer;
  /** Its length in bytes. */
  readonly length: number;
  /** Where it lies in this process, below 2^53. */
  readonly address: number;
  #mapped = true;

  private constructor(address: number, length: number) {
    this.address = address;
    this.length = length;
    this.buffer = memoryAt(address, length);
  }

  /**
   * mmap(2), shared.
   * @param fd the map, ring buffer or perf event
   * @param length bytes; the kernel rounds up to whole pages
   * @param options.offset where in the file it begins: a multiple of the page size
   * @param options.writable whether stores reach the kernel; a store into a read-only mapping ends the process, so
   *   only ask for a read-only one where nothing will be written
   * @param options.address where it should lie, for files that only take one place; the kernel may choose another
   * @param options.hint what to try, given the number of the error
   */
  static map(
    fd: Fd,
    length: number,
    options: {
      offset?: number;
      writable?: boolean;
      address?: number;
      hint?: (errno: number) => string | undefined;
    } = {},
  ): MemoryMap {
    const { offset = 0, writable = false, address: wanted = 0 } = options;
    if (!Number.isSafeInteger(length) || length <= 0) throw new RangeError(`cannot map ${length} bytes`);
    if (!Number.isSafeInteger(offset) || offset < 0) throw new RangeError(`cannot map from offset ${offset}`);
    const protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
    const address = Number(libc.mmap(wanted, length, protection, MAP_SHARED, fd.number, offset));
    if (address === -1) {
      const number = lastErrno();
      const hint = options.hint?.(number);
      throw new SystemError({
        errno: number,
        syscall: "mmap",
        action: `map ${length} bytes of the ${fd.name}`,
        ...(hint !== undefined && { hint }),
      });
    }
    return new MemoryMap(address, length);
  }

  /** Whether the memory is still shared with the kernel. */
  get mapped(): boolean {
    return this.#mapped;
  }

  /** Ends the sharing; a second call does nothing. */
  close(): void {
    if (!this.#mapped) return;
    this.#mapped = false;
    const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE;
    const address = Number(libc.mmap(this.address, this.length, PROT_READ | PROT_WRITE, flags, -1, 0));
    if (address === -1) {
      const number = lastErrno();
      throw new SystemError({
        errno: number || errno.EINVAL!,
        syscall: "mmap",
        action: "end a memory mapping",
      });
    }
    placeholders.register(this.buffer, { address: this.address, length: this.length });
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
