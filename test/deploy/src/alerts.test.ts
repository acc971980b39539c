import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { stringify } from "yaml";
import { type Manifest, render } from "./render.js";
import { root } from "./root.js";
import { promtool } from "./tools.js";

const all = render(
  "--set",
  "prometheusRule.enabled=true,prometheusRule.runbookBase=https://docs.example/operate,grafanaDashboard.enabled=true",
);
const { groups } = all.find(({ kind }) => kind === "PrometheusRule").spec;
const alerts: Manifest[] = groups[0].rules;
const dashboard = JSON.parse(
  all.find(({ metadata }) => metadata.name === "weir-dashboard").data["weir.json"],
);
const queries: string[] = dashboard.panels.flatMap(({ targets }: Manifest) =>
  targets.map(({ expr }: Manifest) => expr),
);

const folder = mkdtempSync(join(tmpdir(), "weir-alerts-"));
let tool: string;

function check(command: string, name: string, content: object): void {
  const file = join(folder, name);
  writeFileSync(file, stringify(content));
  const { status, stdout, stderr } = spawnSync(tool, [command, "rules", file], {
    cwd: folder,
    encoding: "utf8",
  });
  assert.is(status, 0, stdout + stderr);
}

test.before(async () => {
  tool = await promtool();
});
test.after(() => rmSync(folder, { recursive: true }));

test("Prometheus understands every alert", () => check("check", "rules.yaml", { groups }));

test("Prometheus understands every query of the dashboard", () => {
  const plain = (expr: string) => expr.replaceAll("$__rate_interval", "5m").replaceAll(/\$\w+/g, ".*");
  const rules = queries.map((expr, index) => ({ record: `panel_${index}`, expr: plain(expr) }));
  assert.ok(rules.length > 15);
  check("check", "dashboard.yaml", { groups: [{ name: "dashboard", rules }] });
});

test("alerts and dashboard name metrics that the agent's page has, and labels that they have", () => {
  const page = readFileSync(join(root, "docs/agent.md"), "utf8");
  const rows = page.matchAll(/^\| `(weir_\w+)` +\| \w+ +\| ([^|]*)\|/gm);
  const known = new Map([...rows].map(([, name = "", labels = ""]) => [name, labels.match(/\w+/g) ?? []]));
  assert.ok(known.size >= 15);
  for (const expr of [...alerts.map((alert) => alert.expr), ...queries]) {
    for (const [, name = "", labels = ""] of expr.matchAll(/\b(weir_\w+?)(?:_bucket)?\b(?:\{([^}]*)\})?/g)) {
      assert.ok(known.has(name), `${name} in ${expr}`);
      // `node` is what the ServiceMonitor adds.
      const used = [...labels.matchAll(/(\w+)=~?"/g)].map(([, label = ""]) => label);
      for (const label of used)
        assert.ok(["node", ...known.get(name)!].includes(label), `${label} of ${name}`);
    }
  }
});

test("every alert has its section in docs/operate.md, and nothing else has", () => {
  const page = readFileSync(join(root, "docs/operate.md"), "utf8");
  const sections = [...page.matchAll(/^### (Weir\w+)$/gm)].map(([, name]) => name);
  assert.equal(
    sections,
    alerts.map(({ alert }) => alert),
  );
  for (const { alert, annotations } of alerts) {
    assert.is(annotations.runbook_url, `https://docs.example/operate#${alert.toLowerCase()}`);
    assert.ok(annotations.description.length > 20);
  }
});

const pod = '{namespace="shop",pod="web-1",interface="eth0",node="n1"}';
const onPod = { namespace: "shop", pod: "web-1", interface: "eth0", node: "n1" };
const cases: [alert: string, series: string, values: string, labels: Record<string, string>][] = [
  ["WeirAgentDown", 'up{job="weir-metrics",node="n1"}', "0x60", { job: "weir-metrics", node: "n1" }],
  ["WeirAttachmentUnhealthy", `weir_attachment_healthy${pod}`, "0x60", onPod],
  [
    "WeirReconcileErrors",
    'weir_reconcile_errors_total{reason="EPERM",node="n1"}',
    "0+1x60",
    { reason: "EPERM", node: "n1" },
  ],
  ["WeirApiDisconnected", 'weir_api_connected{node="n1"}', "0x60", { node: "n1" }],
  ["WeirConfigInvalid", 'weir_config_valid{node="n1"}', "0x60", { node: "n1" }],
  ["WeirInvalidAnnotations", 'weir_invalid_annotations{node="n1"}', "2x60", { node: "n1" }],
  [
    "WeirRepeatedRepairs",
    'weir_repairs_total{problem="FQ_MISSING",node="n1"}',
    "0+1x60",
    { problem: "FQ_MISSING", node: "n1" },
  ],
  ["WeirGuardDrops", `weir_guard_dropped_packets_total${pod}`, "0+600x60", onPod],
];

test("alerts fire when they should, and not on a node where all is well", () => {
  writeFileSync(join(folder, "rules.yaml"), stringify({ groups }));
  const severities = new Map(alerts.map(({ alert, labels }) => [alert, labels.severity]));
  const fires = cases.map(([alertname, series, values, labels]) => ({
    interval: "1m",
    input_series: [{ series, values }],
    alert_rule_test: [
      { eval_time: "1m", alertname, exp_alerts: [] },
      {
        eval_time: "50m",
        alertname,
        exp_alerts: [{ exp_labels: { ...labels, severity: severities.get(alertname) } }],
      },
    ],
  }));
  const well = [
    ['up{job="weir-metrics",node="n1"}', "1x60"],
    [`weir_attachment_healthy${pod}`, "1x60"],
    ['weir_reconcile_errors_total{reason="EPERM",node="n1"}', "3x60"],
    ['weir_api_connected{node="n1"}', "1x60"],
    ['weir_config_valid{node="n1"}', "1x60"],
    ['weir_invalid_annotations{node="n1"}', "0x60"],
    ['weir_repairs_total{problem="FQ_MISSING",node="n1"}', "7x60"],
    [`weir_guard_dropped_packets_total${pod}`, "9x60"],
    ['weir_build_info{version="0.1.0",node="n1"}', "1x60"],
  ].map(([series, values]) => ({ series, values }));
  const quiet = {
    interval: "1m",
    input_series: well,
    alert_rule_test: alerts.map(({ alert }) => ({ eval_time: "50m", alertname: alert, exp_alerts: [] })),
  };
  // Annotations are compared too, where they are expected: take them from the rules, filled in.
  for (const one of fires) {
    for (const { alertname, exp_alerts } of one.alert_rule_test) {
      for (const expected of exp_alerts as Manifest[]) {
        const { annotations } = alerts.find(({ alert }) => alert === alertname);
        expected.exp_annotations = Object.fromEntries(
          Object.entries(annotations as Record<string, string>).map(([name, text]) => [
            name,
            text.replaceAll(/\{\{ \$labels\.(\w+) \}\}/g, (_, label) => expected.exp_labels[label] ?? ""),
          ]),
        );
      }
    }
  }
  check("test", "tests.yaml", {
    rule_files: ["rules.yaml"],
    evaluation_interval: "1m",
    tests: [...fires, quiet],
  });
});

test("panels do not lie over each other", () => {
  const cells = new Set<string>();
  for (const { title, gridPos } of dashboard.panels) {
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
        assert.not(cells.has(`${x},${y}`), title);
        cells.add(`${x},${y}`);
      }
    }
  }
});

test.run();
