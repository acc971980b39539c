export { VmError, type VmErrorCode } from "./errors.js";
export { KERNELS, type Kernel } from "./kernels.js";
export { withLock } from "./lock.js";
export type { VmResult } from "./machine.js";
export { fetchPackages, fetchSource } from "./packages.js";
export {
  cacheFolder,
  type PreparedKernel,
  type PrepareOptions,
  type Progress,
  prepareKernel,
} from "./prepare.js";
export { requiredPackages } from "./programs.js";
export { runInVm, type VmOptions } from "./run.js";
