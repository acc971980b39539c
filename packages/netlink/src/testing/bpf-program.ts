import { BpfCommand, bpf, cString, Fd, Struct } from "@weir/syscall";

/** BPF_PROG_TYPE_SCHED_CLS and BPF_PROG_TYPE_SCHED_ACT. */
const programTypes = { classifier: 3, action: 4 } as const;

/** Loads a classifier, or an action, that lets every packet pass: `r0 = -1; exit`, with -1 for "go on as if I were not there". */
export function loadPassProgram(name: string, type: keyof typeof programTypes = "classifier"): Fd {
  const instructions = new Struct(16).u8(0, 0xb7).i32(4, -1).u8(8, 0x95);
  const attributes = new Struct(128)
    .u32(0, programTypes[type])
    .u32(4, 2)
    .pointer(8, instructions)
    .pointer(16, cString("Apache-2.0"))
    .string(48, name, 16);
  return Fd.adopt(bpf(BpfCommand.PROG_LOAD, attributes, "load a program for a test"), name);
}

/** Pins a program at a path of a bpf file system. */
export function pinProgram(program: Fd, path: string): void {
  const attributes = new Struct(128).pointer(0, cString(path)).u32(8, program.number);
  bpf(BpfCommand.OBJ_PIN, attributes, "pin a program for a test");
}
