import { BpfCommand, bpf, cString, Fd, Struct } from "@weir/syscall";

const BPF_PROG_TYPE_SCHED_CLS = 3;

/** Loads a classifier that lets every packet pass: `r0 = -1; exit`, with -1 for "go on as if I were not there". */
export function loadPassProgram(name: string): Fd {
  const instructions = new Struct(16).u8(0, 0xb7).i32(4, -1).u8(8, 0x95);
  const attributes = new Struct(128)
    .u32(0, BPF_PROG_TYPE_SCHED_CLS)
    .u32(4, 2)
    .pointer(8, instructions)
    .pointer(16, cString("Apache-2.0"))
    .string(48, name, 16);
  return Fd.adopt(bpf(BpfCommand.PROG_LOAD, attributes, "load a program for a test"), name);
}
