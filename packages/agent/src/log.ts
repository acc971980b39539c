import { destination, type Logger, pino } from "pino";
import type { LogLevel } from "./config.js";

/** A log of JSON objects, one a line, on standard output. Lines are written before the call returns. */
export function createLog(level: LogLevel = "info"): Logger {
  return pino(
    {
      level,
      base: {},
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination({ fd: 1, sync: true }),
  );
}
