import { layout } from "../kernel/layout.js";

/** `struct perf_event_attr` up to PERF_ATTR_SIZE_VER5: include/uapi/linux/perf_event.h. */
export const perfEventAttr = layout({
  type: "u32",
  size: "u32",
  config: "u64",
  samplePeriod: "u64",
  sampleType: "u64",
  readFormat: "u64",
  flags: "u64",
  wakeupEvents: "u32",
  breakpointType: "u32",
  config1: "pointer",
  config2: "u64",
  branchSampleType: "u64",
  sampleRegsUser: "u64",
  sampleStackUser: "u32",
  clockId: "i32",
  sampleRegsInterrupt: "u64",
  auxWatermark: "u32",
  sampleMaxStack: "u32",
});

/** Bits of `flags`. */
export const PerfFlag = { FREQUENCY: 1n << 10n } as const;
