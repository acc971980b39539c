import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { parse } from "yaml";
import { objects, template } from "./render.js";
import { root } from "./root.js";

const pages = ["README.md", ...readdirSync(join(root, "docs")).map((name) => `docs/${name}`)].filter((name) =>
  name.endsWith(".md"),
);
const text = (page: string) => readFileSync(join(root, page), "utf8");

/** The fenced blocks of a page. */
function blocks(page: string): { language: string; body: string }[] {
  const found = text(page).matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm);
  return [...found].map(([, language = "", body = ""]) => ({ language, body }));
}

/** The anchors of a page's headings, as GitHub makes them. */
function anchors(file: string): Set<string> {
  const headings = readFileSync(file, "utf8").matchAll(/^#+ (.*)$/gm);
  const slug = (heading: string) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-");
  return new Set([...headings].map(([, heading = ""]) => slug(heading)));
}

test("every link of a page leads to a file, and to a heading that is there", () => {
  const broken: string[] = [];
  for (const page of pages) {
    const links = text(page)
      .replaceAll(/^```[\s\S]*?^```$/gm, "")
      .matchAll(/\]\(([^)\s]+)\)/g);
    for (const [, link = ""] of links) {
      if (/^[a-z]+:/.test(link)) continue;
      const [path = "", anchor] = link.split("#");
      const file = path === "" ? join(root, page) : join(root, dirname(page), path);
      if (!existsSync(file) || (anchor && !anchors(file).has(anchor))) broken.push(`${page}: ${link}`);
    }
  }
  assert.equal(broken, []);
});

test("every JSON block is JSON, and every YAML block and heredoc YAML", () => {
  for (const page of pages) {
    for (const { language, body } of blocks(page)) {
      if (language === "json") assert.ok(JSON.parse(body), page);
      if (language === "yaml") assert.ok(parse(body), page);
      for (const [, inner = ""] of body.matchAll(/<<'YAML'\n([\s\S]*?)^YAML$/gm)) {
        for (const { apiVersion, kind, spec } of objects(inner)) {
          assert.ok(apiVersion && kind, page);
          if (kind === "NetworkAttachmentDefinition") assert.ok(JSON.parse(spec.config).plugins.length > 1);
        }
      }
    }
  }
});

test("the chart takes the values of every helm command", () => {
  let commands = 0;
  for (const page of pages) {
    for (const { body } of blocks(page)) {
      for (const [command] of body.replaceAll("\\\n", " ").matchAll(/^helm (?:install|upgrade) weir .*$/gm)) {
        const values = [...command.matchAll(/--set ('[^']*'|\S+)/g)].map(([, value = ""]) =>
          value.replaceAll("'", ""),
        );
        const { status, stderr } = template(...values.flatMap((value) => ["--set", value]));
        assert.is(status, 0, `${page}: ${command}\n${stderr}`);
        commands++;
      }
    }
  }
  assert.ok(commands >= 5, String(commands));
});

test("values that pages name are values of the chart", () => {
  const values = parse(readFileSync(join(root, "deploy/helm/weir/values.yaml"), "utf8"));
  const sections = ["cni", "uninstall", "config", "apiServer", "metrics", "serviceMonitor", "prometheusRule"];
  const known = JSON.parse(
    readFileSync(join(root, "deploy/helm/weir/values.schema.json"), "utf8"),
  ).properties;
  for (const page of pages.filter((name) => name !== "docs/agent.md")) {
    for (const [, name = "", key = ""] of text(page).matchAll(/`(\w+)\.(\w+)(?:=[^`]*)?`/g)) {
      if (!sections.includes(name)) continue;
      assert.ok(name in values && key in known[name].properties, `${page}: ${name}.${key}`);
    }
  }
});

test.run();
