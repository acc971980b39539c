import type { InterfacePlan, PlannedInterface } from "@weir/agent";
import { parseConfiguration, previousResult } from "../cni/configuration.js";
import { planAttachment } from "../cni/plan.js";

/**
 * What ADD would do for an interface: the agent's planner.
 * @param text the network configuration as JSON, prevResult included
 * @returns undefined where the configuration names no limit
 * @throws CniError
 */
export function plan(
  text: string,
  { containerId, ifname, netns, pod }: PlannedInterface,
): InterfacePlan | undefined {
  const configuration = parseConfiguration(text, "ADD");
  const environment = { containerId, ifname, netns, ...(pod ? { pod } : {}) };
  return planAttachment(configuration, environment, previousResult(configuration, "ADD"));
}
