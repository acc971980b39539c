import { NetlinkEncodeError, parseAddress, parsePrefix } from "@weir/netlink";

// Not isIP() of node:net, which takes an ADD 5 ms to load.

/** Whether a text is an IP address, such as "10.0.0.1" or "fd00::1". */
export function isAddress(text: string): boolean {
  return isRead(() => parseAddress(text));
}

/** Whether a text is an address and a length, such as "10.0.0.0/8" or "fd00::/8". */
export function isPrefix(text: string): boolean {
  return text.includes("/") && isRead(() => parsePrefix(text));
}

function isRead(read: () => unknown): boolean {
  try {
    read();
    return true;
  } catch (error) {
    if (error instanceof NetlinkEncodeError) return false;
    throw error;
  }
}
