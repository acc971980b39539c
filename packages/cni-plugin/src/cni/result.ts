import { field, isObject, type Json, type JsonObject } from "../json.js";
import { type CniVersion, show, supportedVersions } from "./configuration.js";
import { CniError, CniErrorCode } from "./errors.js";

/** The fields that 1.1.0 added to the objects of a result. */
const addedIn110: Record<string, readonly string[]> = {
  interfaces: ["mtu", "socketPath", "pciID"],
  routes: ["mtu", "advmss", "priority", "table", "scope"],
};

/**
 * A result in another version of the specification; the same version is passed on untouched. What a chained plugin
 * does not know it hands on; only fields that the older of two versions does not define are taken out or added.
 * @param result a result of any version since 0.3.0; without cniVersion it counts as being of `version` already
 * @throws CniError of code 1 where the result is of a version that weir does not speak, and of code 7 where it is malformed
 */
export function convertResult(result: JsonObject, version: CniVersion): JsonObject {
  const written = field(result, "cniVersion") ?? version;
  const from = supportedVersions.find((supported) => supported === written);
  if (!from) {
    throw new CniError(
      CniErrorCode.INCOMPATIBLE_VERSION,
      `prevResult has cniVersion ${show(written)}, which weir cannot convert to ${version}: it speaks ${supportedVersions.join(", ")}`,
    );
  }
  const { ...converted } = result;
  // The key may be written in another case; it leads, as it does in every result.
  for (const key of Object.keys(converted)) if (key.toLowerCase() === "cniversion") delete converted[key];
  if (from !== version) {
    if (from === "1.1.0") {
      for (const [list, names] of Object.entries(addedIn110)) {
        mapItems(converted, list, (item) => without(item, names));
      }
    }
    if (hasAddressFamily(from) && !hasAddressFamily(version)) {
      mapItems(converted, "ips", (ip) => without(ip, ["version"]));
    }
    if (!hasAddressFamily(from) && hasAddressFamily(version)) mapItems(converted, "ips", withFamily);
  }
  return { cniVersion: version, ...converted };
}

/** Before 1.0 every address says whether it is of IPv "4" or "6". */
function hasAddressFamily(version: CniVersion): boolean {
  return version.startsWith("0.");
}

function withFamily(ip: JsonObject): JsonObject {
  const address = field(ip, "address");
  if (typeof address !== "string") {
    throw new CniError(
      CniErrorCode.INVALID_CONFIGURATION,
      `an address in prevResult.ips is ${show(address)}, but must be text such as "10.1.0.5/16"`,
    );
  }
  return { version: address.includes(":") ? "6" : "4", ...without(ip, ["version"]) };
}

function without(object: JsonObject, names: readonly string[]): JsonObject {
  const unwanted = new Set(names.map((name) => name.toLowerCase()));
  return Object.fromEntries(Object.entries(object).filter(([key]) => !unwanted.has(key.toLowerCase())));
}

function mapItems(result: JsonObject, list: string, change: (item: JsonObject) => JsonObject): void {
  for (const [key, value] of Object.entries(result)) {
    if (key.toLowerCase() !== list || !Array.isArray(value)) continue;
    result[key] = value.map((item: Json) => (isObject(item) ? change(item) : item));
  }
}
