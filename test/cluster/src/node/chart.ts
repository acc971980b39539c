import { fileURLToPath } from "node:url";

/** The chart's folder. */
export const chart = fileURLToPath(new URL("../../../../deploy/helm/weir", import.meta.url));

/** The chart as one file for kubectl. */
export const manifest = fileURLToPath(new URL("../../../../deploy/weir.yaml", import.meta.url));
