import { errno } from "@weir/syscall";

/** The kernel takes log buffers of up to UINT_MAX >> 2 bytes (bpf_verifier_log_attr_valid). */
const MAX_SIZE = 0x3fff_ffff;
const FIRST_SIZE = 64 * 1024;

/**
 * Calls with a log buffer that grows until the kernel's log fits.
 * @param call makes the call with a buffer and gives its result, negative for an error
 * @param trueSize the size that the log would have, if the kernel says so (6.4 and later); 0 if it does not
 */
export function withLog(
  call: (buffer: Uint8Array) => number,
  trueSize: () => number = () => 0,
): { result: number; log: string } {
  for (let size = FIRST_SIZE; ; ) {
    const buffer = new Uint8Array(size);
    const result = call(buffer);
    if (result !== -errno.ENOSPC! || size === MAX_SIZE) return { result, log: text(buffer) };
    size = Math.min(MAX_SIZE, Math.max(size * 4, trueSize()));
  }
}

function text(buffer: Uint8Array): string {
  const end = buffer.indexOf(0);
  return new TextDecoder().decode(buffer.subarray(0, end === -1 ? buffer.length : end));
}
