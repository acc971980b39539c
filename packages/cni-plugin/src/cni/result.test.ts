import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type JsonObject, parseJson, stringifyJson } from "../json.js";
import { CniError } from "./errors.js";
import { convertResult } from "./result.js";

const versions = ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"] as const;

test("a result of the same version is handed on whole, unknown fields and long numbers included", () => {
  const text =
    '{"cniVersion":"1.0.0","interfaces":[{"name":"eth0","sandbox":"/run/netns/x","future":18446744073709551615}],"ips":[{"interface":0,"address":"10.1.0.5/16"}],"dns":{},"vendor":{"a":[1.50]}}';
  assert.is(stringifyJson(convertResult(parseJson(text) as JsonObject, "1.0.0")), text);
});

test("the address family is added for versions before 1.0 and taken out after", () => {
  const modern = { cniVersion: "1.0.0", ips: [{ address: "10.1.0.5/16", x: 1 }, { address: "fd00::5/64" }] };
  const old = {
    cniVersion: "0.4.0",
    ips: [
      { version: "4", address: "10.1.0.5/16", x: 1 },
      { version: "6", address: "fd00::5/64" },
    ],
  };
  assert.equal(convertResult(modern, "0.4.0"), old);
  assert.equal(convertResult(old, "1.0.0"), modern);
  assert.equal(convertResult(old, "0.3.1"), { ...old, cniVersion: "0.3.1" });
});

test("what 1.1 added is taken out for older versions, and nothing else", () => {
  const result = {
    cniVersion: "1.1.0",
    interfaces: [{ name: "eth0", mac: "0:1", mtu: 1500, socketPath: "/x", pciID: "0", vendor: 1 }],
    routes: [
      { dst: "0.0.0.0/0", gw: "10.0.0.1", mtu: 1400, advmss: 1, priority: 1, table: 1, scope: 1, vendor: 2 },
    ],
  };
  assert.equal(convertResult(result, "1.0.0"), {
    cniVersion: "1.0.0",
    interfaces: [{ name: "eth0", mac: "0:1", vendor: 1 }],
    routes: [{ dst: "0.0.0.0/0", gw: "10.0.0.1", vendor: 2 }],
  });
});

test("what 1.1 added stays where the version stays", () => {
  const result = { cniVersion: "1.1.0", interfaces: [{ name: "eth0", mtu: 1500 }], ips: [{ version: "4" }] };
  assert.equal(convertResult(result, "1.1.0"), result);
});

test("a result without a version, or with its key in another case, takes the configuration's", () => {
  assert.equal(convertResult({ ips: [] }, "1.0.0"), { cniVersion: "1.0.0", ips: [] });
  assert.equal(convertResult({ CNIVersion: "0.4.0" }, "1.0.0"), { cniVersion: "1.0.0" });
});

test("the input is left as it was", () => {
  const input = { cniVersion: "1.0.0", ips: [{ address: "10.1.0.5/16" }] };
  convertResult(input, "0.4.0");
  assert.equal(input, { cniVersion: "1.0.0", ips: [{ address: "10.1.0.5/16" }] });
});

test("a result of an unknown version is error 1, and an address that is none error 7", () => {
  const code = (work: () => unknown) => {
    try {
      work();
    } catch (error) {
      return (error as CniError).code;
    }
    return undefined;
  };
  assert.is(
    code(() => convertResult({ cniVersion: "0.2.0", ip4: {} }, "1.0.0")),
    1,
  );
  assert.is(
    code(() => convertResult({ cniVersion: "1.0.0", ips: [{ address: 5 }] }, "0.4.0")),
    7,
  );
});

test("any object becomes a result or a CNI error, between any two versions", () => {
  const object = fc.dictionary(fc.string(), fc.jsonValue());
  const shaped = fc.record({
    ips: fc.oneof(fc.jsonValue(), fc.array(fc.oneof(object, fc.record({ address: fc.ipV4() })))),
    routes: fc.oneof(fc.jsonValue(), fc.array(object)),
    interfaces: fc.oneof(fc.jsonValue(), fc.array(object)),
  });
  const version = fc.constantFrom(...versions);
  fc.assert(
    fc.property(fc.oneof(object, shaped), version, version, (fields, from, to) => {
      try {
        const result = convertResult({ ...(fields as JsonObject), cniVersion: from }, to);
        assert.is(result.cniVersion, to);
        JSON.parse(stringifyJson(result));
      } catch (error) {
        assert.instance(error, CniError);
      }
    }),
  );
});

test.run();
