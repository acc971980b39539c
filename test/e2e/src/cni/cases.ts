import type { Bench } from "./bench.js";
import { addCases } from "./cases/add.js";
import { checkCases } from "./cases/check.js";
import { deleteCases } from "./cases/delete.js";
import { nodeCases } from "./cases/node.js";
import { protocolCases } from "./cases/protocol.js";

/** One thing that the specification asks of a chained plugin. */
export interface Case {
  /** What must hold, as a sentence. */
  title: string;
  /** "must": the specification says so. "should": it recommends so, or runtimes depend on it. */
  level: "must" | "should";
  /** The version of the specification that brought it; plugins that speak only older ones are not asked. */
  since?: string;
  /** @throws Miss where the plugin does otherwise */
  run(bench: Bench): Promise<void>;
}

/** Every case, in the order of the table, by the part of the specification that it is about. */
export const cases: Readonly<Record<string, readonly Case[]>> = {
  Protocol: protocolCases,
  ADD: addCases,
  CHECK: checkCases,
  DEL: deleteCases,
  "GC and STATUS": nodeCases,
};
