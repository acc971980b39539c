// npm run manifest [-- --check]: writes deploy/weir.yaml, the chart as one file for `kubectl apply`.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { main, prepareCheckout, root, SetupError } from "./setup.mjs";

const FILE = "deploy/weir.yaml";

const HEADER = `# weir for \`kubectl apply -f\`: the node agent on each node, and the plugin in /opt/cni/bin. Needs Kubernetes 1.30 or
# later; the chart in deploy/helm/weir serves earlier ones. Set the image's name, and the network's in the arguments of
# the container "install", before it is applied: docs/install.md.
#
# Generated from the chart by \`npm run manifest\`. Do not edit.
`;

await main(async (args) => {
  if (!process.env.WEIR_PREPARED) await prepareCheckout();
  const { kubernetesTools } = await import("../test/deploy/dist/tools.js");
  const chart = join(root, "deploy/helm/weir");
  const options = ["--namespace", "kube-system", "--kube-version", "1.34"];
  const rendered = execFileSync(kubernetesTools().helm, ["template", "weir", chart, ...options], {
    encoding: "utf8",
  });
  const text = HEADER + rendered.replaceAll(/^(# Source: .*| +app\.kubernetes\.io\/managed-by: .*)\n/gm, "");
  const path = join(root, FILE);
  if (!args.includes("--check")) writeFileSync(path, text);
  else if (!existsSync(path) || readFileSync(path, "utf8") !== text) {
    throw new SetupError(`${FILE} is not what the chart gives; run \`npm run manifest\`.`);
  }
  return 0;
});
