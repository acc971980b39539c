import { layout } from "./layout.js";

// The parts of `union bpf_attr` and the info structs of include/uapi/linux/bpf.h (6.12), in the order of the header.
// A kernel takes a longer struct than it knows as long as what it does not know is zero (bpf_check_uarg_tail_zero).

export const mapCreate = layout({
  mapType: "u32",
  keySize: "u32",
  valueSize: "u32",
  maxEntries: "u32",
  mapFlags: "u32",
  innerMapFd: "u32",
  numaNode: "u32",
  mapName: "char[16]",
  mapIfindex: "u32",
  btfFd: "u32",
  btfKeyTypeId: "u32",
  btfValueTypeId: "u32",
  btfVmlinuxValueTypeId: "u32",
  mapExtra: "u64",
  valueTypeBtfObjFd: "i32",
  mapTokenFd: "i32",
});

/** BPF_MAP_LOOKUP_ELEM, UPDATE, DELETE, GET_NEXT_KEY and FREEZE; `value` is `next_key` in the last but one. */
export const mapElement = layout({ mapFd: "u32", key: "pointer", value: "pointer", flags: "u64" });

/** BPF_MAP_LOOKUP_BATCH and its like. */
export const mapBatch = layout({
  inBatch: "pointer",
  outBatch: "pointer",
  keys: "pointer",
  values: "pointer",
  count: "u32",
  mapFd: "u32",
  elemFlags: "u64",
  flags: "u64",
});

export const programLoad = layout({
  progType: "u32",
  insnCnt: "u32",
  insns: "pointer",
  license: "pointer",
  logLevel: "u32",
  logSize: "u32",
  logBuf: "pointer",
  kernVersion: "u32",
  progFlags: "u32",
  progName: "char[16]",
  progIfindex: "u32",
  expectedAttachType: "u32",
  progBtfFd: "u32",
  funcInfoRecSize: "u32",
  funcInfo: "pointer",
  funcInfoCnt: "u32",
  lineInfoRecSize: "u32",
  lineInfo: "pointer",
  lineInfoCnt: "u32",
  attachBtfId: "u32",
  attachProgFd: "u32",
  coreReloCnt: "u32",
  fdArray: "pointer",
  coreRelos: "pointer",
  coreReloRecSize: "u32",
  logTrueSize: "u32",
});

export const objectPath = layout({ pathname: "pointer", bpfFd: "u32", fileFlags: "u32" });

export const testRun = layout({
  progFd: "u32",
  retval: "u32",
  dataSizeIn: "u32",
  dataSizeOut: "u32",
  dataIn: "pointer",
  dataOut: "pointer",
  repeat: "u32",
  duration: "u32",
  ctxSizeIn: "u32",
  ctxSizeOut: "u32",
  ctxIn: "pointer",
  ctxOut: "pointer",
  flags: "u32",
  cpu: "u32",
  batchSize: "u32",
});

/** BPF_BTF_GET_FD_BY_ID and its like. */
export const objectId = layout({ id: "u32", nextId: "u32", openFlags: "u32" });

export const infoByFd = layout({ bpfFd: "u32", infoLen: "u32", info: "pointer" });

export const btfLoad = layout({
  btf: "pointer",
  btfLogBuf: "pointer",
  btfSize: "u32",
  btfLogSize: "u32",
  btfLogLevel: "u32",
});

/** BPF_MAP_FREEZE: a descriptor alone. */
export const descriptor = layout({ fd: "u32" });

export const mapInfo = layout({
  type: "u32",
  id: "u32",
  keySize: "u32",
  valueSize: "u32",
  maxEntries: "u32",
  mapFlags: "u32",
  name: "char[16]",
  ifindex: "u32",
  btfVmlinuxValueTypeId: "u32",
  netnsDev: "u64",
  netnsIno: "u64",
  btfId: "u32",
  btfKeyTypeId: "u32",
  btfValueTypeId: "u32",
  btfVmlinuxId: "u32",
  mapExtra: "u64",
});

export const programInfo = layout({
  type: "u32",
  id: "u32",
  tag: "u8[8]",
  jitedProgLen: "u32",
  xlatedProgLen: "u32",
  jitedProgInsns: "pointer",
  xlatedProgInsns: "pointer",
  loadTime: "u64",
  createdByUid: "u32",
  nrMapIds: "u32",
  mapIds: "pointer",
  name: "char[16]",
  ifindex: "u32",
  gplCompatible: "u32",
  netnsDev: "u64",
  netnsIno: "u64",
  nrJitedKsyms: "u32",
  nrJitedFuncLens: "u32",
  jitedKsyms: "pointer",
  jitedFuncLens: "pointer",
  btfId: "u32",
  funcInfoRecSize: "u32",
  funcInfo: "pointer",
  nrFuncInfo: "u32",
  nrLineInfo: "u32",
  lineInfo: "pointer",
  jitedLineInfo: "pointer",
  nrJitedLineInfo: "u32",
  lineInfoRecSize: "u32",
  jitedLineInfoRecSize: "u32",
  nrProgTags: "u32",
  progTags: "pointer",
  runTimeNs: "u64",
  runCnt: "u64",
  recursionMisses: "u64",
  verifiedInsns: "u32",
  attachBtfObjId: "u32",
  attachBtfId: "u32",
});

export const btfInfo = layout({
  btf: "pointer",
  btfSize: "u32",
  id: "u32",
  name: "pointer",
  nameLen: "u32",
  kernelBtf: "u32",
});
