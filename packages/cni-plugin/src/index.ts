export { plan } from "./cli/plan.js";
export { runCommandLine } from "./cli/run.js";
export { mentionsBandwidth, type RateRange, requestedLimits } from "./cni/bandwidth.js";
export {
  type CniVersion,
  type NetworkConfiguration,
  newestVersion,
  parseConfiguration,
  previousResult,
  supportedVersions,
  validAttachments,
} from "./cni/configuration.js";
export { type CniEnvironment, type Command, parseEnvironment } from "./cni/environment.js";
export { CniError, CniErrorCode } from "./cni/errors.js";
export { convertResult } from "./cni/result.js";
export { runPlugin, type Streams } from "./cni/run.js";
export { type Json, JsonNumber, type JsonObject, parseJson, stringifyJson } from "./json.js";
export { CallServer, type ServedCall } from "./server/server.js";
export { VERSION } from "./version.js";
