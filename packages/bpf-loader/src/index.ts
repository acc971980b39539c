export { ElfError, type ElfErrorCode } from "@weir/elf";
export { NotSupportedError, SystemError } from "@weir/syscall";
export { Btf, type BtfParseOptions } from "./btf/btf.js";
export { BtfBuilder } from "./btf/builder.js";
export { type BtfValue, btfCodec, type Codec } from "./btf/codec.js";
export type { NewBtfType } from "./btf/encode.js";
export { BtfError, type BtfErrorCode, BtfValueError } from "./btf/error.js";
export type { BtfExt, ExtRecords } from "./btf/ext.js";
export { formatDeclaration, formatType } from "./btf/format.js";
export {
  s8Codec,
  s16Codec,
  s32Codec,
  s64Codec,
  u8Codec,
  u16Codec,
  u32Codec,
  u64Codec,
} from "./btf/integer-codecs.js";
export type { BtfLinkage, BtfMember, BtfSectionEntry, BtfType, BtfTypeOf } from "./btf/types.js";
export type { CoreRelocationKind } from "./core/kinds.js";
export type { CoreRelocation } from "./core/records.js";
export {
  type DisassembledInstruction,
  type DisassembleOptions,
  disassemble,
} from "./disasm/disassemble.js";
export { disassembleFunction, type ListedInstruction, type SourceLine } from "./disasm/function-listing.js";
export type { MiscFeature } from "./features/misc.js";
export { type FeatureReport, features } from "./features/probe.js";
export type { SystemConfig } from "./features/system.js";
export { kernelBtf } from "./kernel/kernel-btf.js";
export type { LoadOptions } from "./kernel/load.js";
export { LoadedObject } from "./kernel/loaded-object.js";
export type { LoadedVariable } from "./kernel/loaded-variable.js";
export { BpfProgram } from "./kernel/program.js";
export type { ProgramInfo } from "./kernel/program-info.js";
export type { InfoRecords, ProgramLoadOptions } from "./kernel/program-load.js";
export { decodeSkbContext, encodeSkbContext, type SkbContext } from "./kernel/skb-context.js";
export type { LoadedStructOps } from "./kernel/struct-ops.js";
export { TestRunFlag, type TestRunOptions, type TestRunResult } from "./kernel/test-run.js";
export { VerifierError } from "./kernel/verifier-error.js";
export type { Anchor, AnchorTarget } from "./link/anchor.js";
export type { CgroupOptions } from "./link/cgroup.js";
export type { LinkInfo, LinkTarget, PerfEventTarget } from "./link/info.js";
export { BpfIterator, type IteratorOptions } from "./link/iterator.js";
export type { KprobeOptions } from "./link/kprobe.js";
export { type LegacyAttachment, type LegacyKind, LegacyLink } from "./link/legacy.js";
export { BpfLink, type LinkUpdateOptions } from "./link/link.js";
export type { KprobeMultiOptions, UprobeMultiOptions } from "./link/multi.js";
export type { NetfilterOptions } from "./link/netfilter.js";
export type { NetfilterFamily, NetfilterHook } from "./link/netfilter-names.js";
export type { NetkitOptions } from "./link/netkit.js";
export type { NetnsOptions } from "./link/netns.js";
export type { CookieOptions, PerfEventOptions } from "./link/perf-event.js";
export { type AttachedProgram, type QueryResult, type QueryTarget, queryPrograms } from "./link/query.js";
export { detachSocket, type SocketReference } from "./link/socket.js";
export type { SockmapOptions } from "./link/sockmap.js";
export { attachStructOps, type StructOpsMap } from "./link/struct-ops.js";
export { TcFilter, type TcOptions } from "./link/tc.js";
export type { TcxOptions } from "./link/tcx.js";
export type { RawTracepointOptions } from "./link/tracepoint.js";
export type { FreplaceOptions, TracingOptions } from "./link/tracing.js";
export type { UprobeOptions } from "./link/uprobe.js";
export type { NetnsReference } from "./link/within.js";
export { detachXdp, queryXdp, type XdpAttachments, type XdpMode, type XdpOptions } from "./link/xdp.js";
export type { MapBatch } from "./maps/batch.js";
export type { Descriptor } from "./maps/descriptor.js";
export { BpfMap } from "./maps/map.js";
export type { MapCodecs } from "./maps/map-codecs.js";
export type { MapCreateOptions } from "./maps/map-create.js";
export type { MapInfo, MapUsage } from "./maps/map-info.js";
export type { MapMemory } from "./maps/map-memory.js";
export { type MapDifference, MapMismatchError } from "./maps/map-mismatch.js";
export type { BatchOptions, GetOptions, PushOptions, RawMap, SetOptions } from "./maps/raw-map.js";
export { helperName } from "./names/helpers.js";
export { type SectionKind, sectionKind } from "./names/sections.js";
export {
  type AttachType,
  type LinkType,
  MapFlag,
  type MapType,
  ProgramFlag,
  type ProgramType,
} from "./names/tables.js";
export { BpfObject } from "./object/bpf-object.js";
export type { DataSection } from "./object/data-section.js";
export { BpfObjectError, type BpfObjectErrorCode } from "./object/error.js";
export type { ExternSpec, KconfigPlace } from "./object/externs.js";
export type { BpfFunction, Reference } from "./object/function.js";
export type { MapSlot, MapSpec } from "./object/map-spec.js";
export type { ProgramSpec } from "./object/program-spec.js";
export type { StructOpsSpec } from "./object/struct-ops.js";
export { type VariableSpec, variableAt } from "./object/variable.js";
export type { AnyMap } from "./ring/any-map.js";
export {
  PerfBuffer,
  type PerfBufferOptions,
  type PerfEvent,
  type PerfHandlers,
} from "./ring/perf-buffer.js";
export type { PerfSample } from "./ring/perf-record.js";
export { RingBuffer, type RingBufferOptions } from "./ring/ring-buffer.js";
export type { RingRecord } from "./ring/ring-record.js";
export { UserRingBuffer, type UserRingSample } from "./ring/user-ring-buffer.js";
export type { LoopOptions } from "./ring/wakeups.js";
