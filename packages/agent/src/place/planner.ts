import type { Attachment, GuardOptions, Limits } from "@weir/shaper";

/** How an interface is to be shaped. */
export interface InterfacePlan {
  /** The interface, and whose it is. */
  attachment: Attachment;
  /** Its limits. */
  limits: Limits;
  /** Whether and how it is guarded; undefined leaves that as it is. */
  guard?: boolean | GuardOptions;
}

/** The interface that a plan is for. */
export interface PlannedInterface {
  containerId: string;
  ifname: string;
  netns: string;
  pod?: Attachment["pod"];
}

/**
 * What the CNI plugin would do at ADD; undefined where it would do nothing. It is the plugin's own code, which the agent
 * does not depend on, so that it is given to it.
 * @param configuration the network configuration that the plugin gets on standard input, as JSON
 * @throws Error in one sentence where the configuration is wrong
 */
export type Planner = (configuration: string, on: PlannedInterface) => InterfacePlan | undefined;
