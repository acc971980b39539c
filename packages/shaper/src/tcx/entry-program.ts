import { endianness } from "node:os";
import { type BpfMap, BpfProgram } from "@weir/bpf-loader";

/** offsetof(struct __sk_buff, tc_classid), include/uapi/linux/bpf.h. */
const TC_CLASSID = 72;
const BPF_FUNC_tail_call = 12;
/** An immediate 64-bit value that is a map's descriptor, until the kernel puts the map's address in its place. */
const BPF_PSEUDO_MAP_FD = 1;

/**
 * Loads the program that a tcx link runs for one attachment. A link has no classid as a filter has, so a program of
 * eight instructions sets it and goes on to the program that all share:
 *
 *     skb->tc_classid = classid; tail_call(skb, programs, slot); return TCX_NEXT;
 *
 * The kernel keeps 16 bits of a classid (struct qdisc_skb_cb). Where the slot is empty, the packet goes on.
 * @param programs a map of type prog_array
 */
export function loadEntryProgram(programs: BpfMap, slot: number, classid: number): BpfProgram {
  return BpfProgram.load({
    name: "weir_entry",
    type: "sched_cls",
    license: "GPL",
    instructions: assemble([
      [0xb7, 2, 0, 0, classid], // r2 = classid
      [0x63, 1, 2, TC_CLASSID, 0], // *(u32 *)(r1 + TC_CLASSID) = r2
      [0x18, 2, BPF_PSEUDO_MAP_FD, 0, programs.fd.number], // r2 = programs
      [0x00, 0, 0, 0, 0],
      [0xb7, 3, 0, 0, slot], // r3 = slot
      [0x85, 0, 0, 0, BPF_FUNC_tail_call],
      [0xb7, 0, 0, 0, -1], // r0 = TCX_NEXT
      [0x95, 0, 0, 0, 0], // exit
    ]),
  });
}

type Instruction = readonly [opcode: number, dst: number, src: number, offset: number, immediate: number];

/** Documentation/bpf/standardization/instruction-set.rst: in the host's byte order. */
function assemble(instructions: readonly Instruction[]): Uint8Array {
  const little = endianness() === "LE";
  const view = new DataView(new ArrayBuffer(instructions.length * 8));
  for (const [index, [opcode, dst, src, offset, immediate]] of instructions.entries()) {
    const at = index * 8;
    view.setUint8(at, opcode);
    view.setUint8(at + 1, little ? (src << 4) | dst : (dst << 4) | src);
    view.setInt16(at + 2, offset, little);
    view.setInt32(at + 4, immediate, little);
  }
  return new Uint8Array(view.buffer);
}
