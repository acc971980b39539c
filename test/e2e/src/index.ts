export { chart } from "./demo/chart.js";
export { type Report, type Run, table, worst } from "./demo/report.js";
