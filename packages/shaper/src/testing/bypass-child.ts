import { readFileSync } from "node:fs";
import { Socket, Struct } from "@weir/syscall";

/**
 * Sends a frame through a packet socket that passes the device's qdiscs and clsact by (PACKET_QDISC_BYPASS), as fast as
 * it can, until it is killed. Its arguments: the device's index, and the frame in hexadecimal.
 */
const [ifindex, frame] = process.argv.slice(2) as [string, string];

// include/uapi/linux/if_packet.h
const AF_PACKET = 17;
const SOCK_RAW = 3;
const SOL_PACKET = 263;
const PACKET_QDISC_BYPASS = 20;

const capabilities = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "latin1"))?.[1];
const CAP_NET_RAW = 1n << 13n;
if (BigInt(`0x${capabilities}`) !== CAP_NET_RAW)
  throw new Error(`the sender has capabilities ${capabilities}`);

using socket = Socket.open(AF_PACKET, SOCK_RAW, 0, { name: "packet socket" });
socket.setOption(SOL_PACKET, PACKET_QDISC_BYPASS, 1);
const bytes = new Uint8Array(Buffer.from(frame, "hex"));
// An ipvlan device in L3 mode drops frames of a protocol that the socket does not name.
const address = new Struct(20).u32(0, AF_PACKET).i32(4, Number(ifindex));
address.bytes.set(bytes.subarray(12, 14), 2);
socket.bind(address.bytes);

process.stdout.write("sending\n");
for (;;) {
  try {
    socket.send(bytes);
  } catch (error) {
    // A device whose queue is full, or a guard that drops.
    if (!["ENOBUFS", "EAGAIN"].includes((error as { code: string }).code)) throw error;
  }
}
