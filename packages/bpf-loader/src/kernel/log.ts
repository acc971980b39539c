import { errno } from "@weir/syscall";

/** The kernel takes log buffers of up to UINT_MAX >> 2 bytes (bpf_verifier_log_attr_valid), UINT_MAX >> 8 before 5.12. */
const MAX_SIZE = 0x3fff_ffff;
const OLD_MAX_SIZE = 0xff_ffff;
const FIRST_SIZE = 64 * 1024;

/**
 * Calls with a log buffer that grows until the kernel's log fits.
 * @param call makes the call with a buffer and gives its result, negative for an error
 * @param trueSize the size that the log would have, if the kernel says so (6.4 and later); 0 if it does not
 * @returns the result and the log; a result of -ENOSPC means that the log is longer than the kernel's limit and was cut
 */
export function withLog(
  call: (buffer: Uint8Array) => number,
  trueSize: () => number = () => 0,
): { result: number; log: string } {
  let max = MAX_SIZE;
  for (let size = FIRST_SIZE; ; ) {
    const buffer = new Uint8Array(size);
    const result = call(buffer);
    // The buffer before this one was too small, so this one was too large for the kernel.
    if (result === -errno.EINVAL! && size > OLD_MAX_SIZE && buffer[0] === 0 && max === MAX_SIZE) {
      size = max = OLD_MAX_SIZE;
      continue;
    }
    if (result !== -errno.ENOSPC! || size === max) return { result, log: text(buffer) };
    size = Math.min(max, Math.max(size * 4, trueSize()));
  }
}

function text(buffer: Uint8Array): string {
  const end = buffer.indexOf(0);
  return new TextDecoder().decode(buffer.subarray(0, end === -1 ? buffer.length : end));
}
