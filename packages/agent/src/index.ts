export { Agent, type AgentOptions } from "./agent.js";
export {
  ConfigurationError,
  DEFAULT_METRICS_ADDRESS,
  type LogLevel,
  logLevels,
  parseSettings,
  type Rates,
  type Settings,
  type UplinkSettings,
} from "./config.js";
export { createLog } from "./log.js";
export type { InterfacePlan, PlannedInterface, Planner } from "./place/planner.js";
