import { field, isObject, type Json, type JsonObject, parseJson, stringifyJson } from "../json.js";
import { type Command, identifier, quote } from "./environment.js";
import { CniError, CniErrorCode } from "./errors.js";

/** The versions of the CNI specification that weir speaks, oldest first. */
export const supportedVersions = ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"] as const;
/** A version of the CNI specification that weir speaks. */
export type CniVersion = (typeof supportedVersions)[number];

/** A plugin's entry of a network configuration, as it comes on standard input. */
export interface NetworkConfiguration {
  cniVersion: CniVersion;
  /** The network's name. */
  name: string;
  /** The whole entry. */
  fields: JsonObject;
}

/**
 * Decodes and checks what every command but VERSION needs.
 * @throws CniError of code 1, 6 or 7
 */
export function parseConfiguration(text: string, command: Command): NetworkConfiguration {
  const fields = decode(text);
  const cniVersion = checkVersion(fields, command);
  const name = field(fields, "name");
  if (name === undefined || name === "") throw invalid("the network configuration has no name");
  if (typeof name !== "string" || !identifier.test(name)) {
    throw invalid(
      `the network's name is ${show(name)}, but must begin with a letter or digit and go on with letters, digits, ".", "_" and "-"`,
    );
  }
  return { cniVersion, name, fields };
}

/**
 * The result of the plugin before weir in the chain.
 * @throws CniError of code 7 where there is none
 */
export function previousResult(configuration: NetworkConfiguration, command: Command): JsonObject {
  const previous = field(configuration.fields, "prevResult");
  if (previous === undefined) {
    throw invalid(
      `${command} came without prevResult: weir must stand in a conflist after the plugin that makes the interface`,
    );
  }
  if (!isObject(previous)) throw invalid(`prevResult is ${show(previous)}, but must be an object`);
  return previous;
}

/**
 * The attachments that a GC call declares valid, as `containerID/ifname`.
 * @throws CniError of code 7 where the list is missing or malformed: guessing would remove the shaping of live pods
 */
export function validAttachments(configuration: NetworkConfiguration): Set<string> {
  const key = "cni.dev/valid-attachments";
  const list = field(configuration.fields, key);
  if (!Array.isArray(list)) throw invalid(`${key} is ${show(list)}, but must be a list for GC`);
  const ids = list.map((item, index) => {
    const containerId = isObject(item) ? field(item, "containerID") : undefined;
    const ifname = isObject(item) ? field(item, "ifname") : undefined;
    if (typeof containerId !== "string" || typeof ifname !== "string") {
      throw invalid(`${key}[${index}] is ${show(item)}, but must be an object with containerID and ifname`);
    }
    return `${containerId}/${ifname}`;
  });
  return new Set(ids);
}

/** The version that a VERSION call asks in, or the newest where it does not say. */
export function requestedVersion(text: string): string {
  try {
    const asked = field(decode(text), "cniVersion");
    if (typeof asked === "string" && /^\d+(\.\d+){2}$/.test(asked)) return asked;
  } catch {
    // The answer to VERSION depends on nothing that could be wrong there.
  }
  return newestVersion;
}

/** The newest version of the CNI specification that weir speaks. */
export const newestVersion: CniVersion = "1.1.0";

function decode(text: string): JsonObject {
  const failed = (why: string, details = "") =>
    new CniError(
      CniErrorCode.DECODING_FAILURE,
      `could not decode the network configuration on standard input: ${why}`,
      details,
    );
  if (text.trim() === "") throw failed("it is empty");
  let value: Json;
  try {
    value = parseJson(text);
  } catch (error) {
    throw failed((error as Error).message, excerpt(text));
  }
  if (!isObject(value)) throw failed("it is not an object", excerpt(text));
  return value;
}

function excerpt(text: string): string {
  return text.length <= 400
    ? `received: ${text}`
    : `received ${text.length} characters, the last of them: ${text.slice(-400)}`;
}

const since: Partial<Record<Command, CniVersion>> = { CHECK: "0.4.0", GC: "1.1.0", STATUS: "1.1.0" };

function checkVersion(fields: JsonObject, command: Command): CniVersion {
  // The specification: a configuration without cniVersion is of version 0.1.0.
  const asked = field(fields, "cniVersion") ?? "0.1.0";
  const version = supportedVersions.find((supported) => supported === asked);
  if (!version) {
    throw new CniError(
      CniErrorCode.INCOMPATIBLE_VERSION,
      `cniVersion ${show(asked)} is not supported: weir speaks ${supportedVersions.join(", ")}`,
    );
  }
  const first = since[command];
  if (first && supportedVersions.indexOf(version) < supportedVersions.indexOf(first)) {
    throw new CniError(
      CniErrorCode.INCOMPATIBLE_VERSION,
      `${command} takes cniVersion ${first} or later, but the configuration's is ${version}`,
    );
  }
  return version;
}

function invalid(message: string): CniError {
  return new CniError(CniErrorCode.INVALID_CONFIGURATION, message);
}

/** A JSON value as it may stand in a message. */
export function show(value: Json | undefined): string {
  if (value === undefined) return "missing";
  if (typeof value === "string") return quote(value);
  const text = stringifyJson(value);
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}
