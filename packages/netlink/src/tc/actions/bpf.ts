import { Fd } from "@weir/syscall";
import { attributes } from "../../schema/attributes.js";
import { binary, once, u16, u32 } from "../../schema/codec.js";
import { struct } from "../../schema/struct.js";
import { string } from "../../schema/text.js";
import type { ActionInput } from "../action.js";
import { programTag } from "../units.js";
import { actionFields, actionTimes, type Verdict } from "../verdict.js";

export const bpfParms = struct("tc_act_bpf", actionFields);

/** bpf: enum TCA_ACT_BPF_* of include/uapi/linux/tc_act/tc_bpf.h. */
export const bpfAttributes = once(() =>
  attributes({
    times: [1, "TCA_ACT_BPF_TM", actionTimes],
    parms: [2, "TCA_ACT_BPF_PARMS", bpfParms],
    opcodeCount: [3, "TCA_ACT_BPF_OPS_LEN", u16],
    opcodes: [4, "TCA_ACT_BPF_OPS", binary],
    fd: [5, "TCA_ACT_BPF_FD", u32],
    name: [6, "TCA_ACT_BPF_NAME", string],
    tag: [8, "TCA_ACT_BPF_TAG", programTag],
    id: [9, "TCA_ACT_BPF_ID", u32],
  }),
);

/** What the bpf action takes. */
export interface BpfActionOptions {
  /** A loaded program of type SCHED_ACT, open at least until the call returns. */
  readonly fd: number | Fd;
  /** A name to show. */
  readonly name?: string | undefined;
  /** What becomes of the packet where the program gives TC_ACT_UNSPEC; default "pipe", as tc(8) has it. */
  readonly action?: Verdict | undefined;
  readonly index?: number | undefined;
}

/** Runs a program, whose result is the verdict. */
export function bpfAction(options: BpfActionOptions): ActionInput {
  const { fd, name, action = "pipe", index } = options;
  return {
    kind: "bpf",
    options: { parms: { index, action }, fd: fd instanceof Fd ? fd.number : fd, name },
  };
}
