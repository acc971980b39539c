import { test } from "uvu";
import * as assert from "uvu/assert";
import { builtIn, ConfigurationError, parseAddress, parseSettings } from "./config.js";

function refusal(text: string): string {
  try {
    parseSettings(text);
  } catch (error) {
    assert.instance(error, ConfigurationError);
    return (error as Error).message;
  }
  throw new Error(`it was accepted: ${text}`);
}

test("an empty file, or one of comments or empty keys, is what is built in", () => {
  for (const text of ["", "# nothing\n", "{}", "defaults:\nuplinks:\n", "---\n"]) {
    assert.equal(parseSettings(text), builtIn, text);
  }
});

test("everything can be set", () => {
  const settings = parseSettings(`
defaults: { egress: 100M, ingress: 50000000 }
maximum:
  egress: 1Gi
excludedNamespaces: [kube-system]
uplinks:
  - { name: ens192, egress: 9500M, ingress: 9G }
  - { name: ens224, egress: 1e9 }
hold: false
fullPassSeconds: 300
metricsAddress: "[::1]:9464"
logLevel: debug
cniCacheFolders: [/var/lib/cni/results]
`);
  assert.equal(settings, {
    defaults: { egress: 100_000_000n, ingress: 50_000_000n },
    maximum: { egress: 1n << 30n },
    excludedNamespaces: ["kube-system"],
    uplinks: [
      { name: "ens192", egress: 9_500_000_000n, ingress: 9_000_000_000n },
      { name: "ens224", egress: 1_000_000_000n },
    ],
    hold: false,
    fullPassSeconds: 300,
    metricsAddress: "[::1]:9464",
    logLevel: "debug",
    cniCacheFolders: ["/var/lib/cni/results"],
  });
});

test("what is wrong is named by its field", () => {
  for (const [text, expected] of [
    ["defaults: { egress: 100Mbps }", /^defaults\.egress: "100Mbps" is no quantity/],
    ["maximum: { ingress: 10 }", /^maximum\.ingress: "10" is 10 bit\/s, but must be at least 1k/],
    ["default: { egress: 1M }", /default/],
    ["uplinks: [{ egress: 1G }]", /^uplinks\[0\]\.name/],
    ["uplinks: [{ name: a, egress: 1G }, { name: a, egress: 2G }]", /"a" stands there twice/],
    ["hold: yes please", /^hold/],
    ["fullPassSeconds: 0", /^fullPassSeconds/],
    ["metricsAddress: 9464", /^metricsAddress/],
    ["metricsAddress: localhost", /^metricsAddress: it must be HOST:PORT/],
    ["cniCacheFolders: [results]", /absolute path/],
    ["a: [", /^it is no YAML/],
    ["- 1", /expected object/],
    ["defaults: { egress: 1M, bursts: 3 }\nhold: 3", /defaults: .*bursts.*; hold/],
  ] as const) {
    assert.match(refusal(text), expected, text);
  }
});

test("an address is a host and a port", () => {
  assert.equal(parseAddress("127.0.0.1:9464"), { host: "127.0.0.1", port: 9464 });
  assert.equal(parseAddress("[::1]:80"), { host: "::1", port: 80 });
  for (const text of ["::1:80", "a", "a:", ":80", "a:70000", "a b:1"])
    assert.is(parseAddress(text), undefined);
});

test.run();
