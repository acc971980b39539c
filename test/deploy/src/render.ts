import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { root } from "./root.js";
import { kubernetesTools } from "./tools.js";

/** The chart's folder. */
export const chart = join(root, "deploy/helm/weir");

/** A Kubernetes object, as YAML has it. */
// biome-ignore lint/suspicious/noExplicitAny: objects of many kinds, looked into by tests
export type Manifest = any;

/** Renders the chart as `helm template` does. @param args such as `--set` */
export function template(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const command = ["template", "weir", chart, "--namespace", "kube-system", ...args];
  return spawnSync(kubernetesTools().helm, command, { encoding: "utf8" });
}

/** The objects of the chart with such values. @throws where helm refuses them */
export function render(...args: string[]): Manifest[] {
  const { status, stdout, stderr } = template(...args);
  if (status !== 0) throw new Error(stderr);
  return objects(stdout);
}

/** The objects of a file. */
export function objects(text: string): Manifest[] {
  const documents = parseAllDocuments(text, { uniqueKeys: true });
  if (!Array.isArray(documents)) throw new Error("the file is empty");
  return documents.map((document) => document.toJS()).filter(Boolean);
}
