import { fileURLToPath } from "node:url";

/** The checkout's folder. */
export const root = fileURLToPath(new URL("../../../", import.meta.url));

/** For the environment of what is built and run: coverage is measured of tests, not of another Node.js. */
export const notMeasured = { NODE_V8_COVERAGE: undefined };
