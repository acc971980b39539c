import {
  type Attachment,
  type Direction,
  directions,
  type Limit,
  type Limits,
  MAX_BITS_PER_SECOND,
  MIN_BITS_PER_SECOND,
} from "@weir/shaper";
import { field, isObject, type JsonObject } from "../json.js";
import { isAddress } from "./address.js";
import { namesRates, requestedLimits } from "./bandwidth.js";
import type { NetworkConfiguration } from "./configuration.js";
import type { CniEnvironment } from "./environment.js";
import { type GuardSettings, requestedSettings, type Settings } from "./settings.js";

/** What ADD is to do to an interface. */
export interface Plan {
  /** The interface, and whose it is. */
  attachment: Attachment;
  /** Its limits. */
  limits: Limits;
  /** Whether and how it is guarded; undefined where the configuration does not say. */
  guard?: boolean | GuardSettings;
}

const range = { min: MIN_BITS_PER_SECOND, max: MAX_BITS_PER_SECOND };

/** The shaper's name of an interface of a container. */
export function idOf({ containerId, ifname }: Pick<CniEnvironment, "containerId" | "ifname">): string {
  return `${containerId}/${ifname}`;
}

/**
 * What a configuration asks ADD to do; undefined where it names no limit.
 * @param environment whose interface it is
 * @param result what the plugins before made, for the addresses
 * @throws CniError of code 7
 */
export function planAttachment(
  configuration: NetworkConfiguration,
  environment: Pick<CniEnvironment, "containerId" | "ifname" | "netns" | "pod">,
  result: JsonObject,
): Plan | undefined {
  const wanted = wantedLimits(configuration);
  if (!wanted) return undefined;
  const { containerId, ifname: device, netns, pod } = environment;
  const { guard, aggregate, uplink } = wanted.settings;
  const attachment: Attachment = {
    id: idOf(environment),
    netns,
    device,
    network: configuration.name,
    addresses: addressesOf(result, device),
    ...(aggregate ? { aggregate: containerId } : {}),
    ...(uplink === undefined ? {} : { uplink }),
    ...(pod ? { pod } : {}),
    ...(namesRates(configuration) ? { fixed: true } : {}),
  };
  return { attachment, limits: wanted.limits, ...(guard === undefined ? {} : { guard }) };
}

/** The addresses that a result gives an interface; those of no interface in particular count as well. */
function addressesOf(result: JsonObject, ifname: string): string[] {
  const [interfaces, ips] = [field(result, "interfaces"), field(result, "ips")];
  if (!Array.isArray(ips)) return [];
  return ips.flatMap((ip) => {
    if (!isObject(ip)) return [];
    const address = field(ip, "address");
    const index = field(ip, "interface");
    const owner = Array.isArray(interfaces) && index !== undefined ? interfaces[Number(index)] : undefined;
    const isOther = isObject(owner) && field(owner, "name") !== ifname;
    return typeof address === "string" && isAddress(address.split("/", 1)[0]!) && !isOther ? [address] : [];
  });
}

/** The limits that a configuration asks for, and how they are to be kept; undefined where it asks for none. */
export function wantedLimits(
  configuration: NetworkConfiguration,
): { limits: Limits; settings: Settings } | undefined {
  const rates = requestedLimits(configuration, range);
  if (!rates) return undefined;
  const settings = requestedSettings(configuration);
  const { horizonMs, markMs, shapedSubnets, unshapedSubnets } = settings;
  const waits = {
    ...(horizonMs === undefined ? {} : { horizonMs }),
    ...(markMs === undefined ? {} : { markMs }),
  };
  const limits: Limits = {
    ...(shapedSubnets ? { shapedSubnets } : {}),
    ...(unshapedSubnets ? { unshapedSubnets } : {}),
  };
  for (const direction of directions) {
    const limit = rates[direction];
    if (limit) limits[direction] = { ...limit, ...waits, ...shareOf(settings, direction, limit) };
  }
  return { limits, settings };
}

/** What the network's entry says of a direction's share. Nobody is guaranteed more than the pod's own limit. */
function shareOf(settings: Settings, direction: Direction, { bitsPerSecond }: Limit): Partial<Limit> {
  const guarantee = settings[`${direction}Guarantee`];
  const weight = settings[`${direction}Weight`];
  return {
    ...(guarantee === undefined
      ? {}
      : { guaranteeBitsPerSecond: guarantee < bitsPerSecond ? guarantee : bitsPerSecond }),
    ...(weight === undefined ? {} : { weight }),
  };
}
