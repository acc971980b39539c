import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { checkServable, ENTRY, hasWeir, parseConflist, withoutWeir, withWeir } from "./conflist.js";

const read = (text: string) => parseConflist("/etc/cni/net.d/10-pods.conflist", text);
const added = (text: string) => withWeir(read(text));

/** Checks that adding gives this text, and that taking out again gives back the one before. */
function adds(before: string, after: string): void {
  assert.is(added(before), after);
  assert.is(withoutWeir(read(after)), before);
  assert.is(added(after), after);
}

const refuses = (text: string, message: RegExp, remedy?: RegExp) => {
  try {
    checkServable(read(text));
  } catch (error) {
    assert.is((error as Error).name, "CommandError");
    assert.match((error as Error).message, message);
    if (remedy) assert.match((error as { remedy?: string }).remedy ?? "", remedy);
    return;
  }
  assert.unreachable(`it takes ${text}`);
};

test("an entry is written as its neighbour is: over lines, on one line, without spaces", () => {
  adds(
    '{\n\t"name": "a",\n\t"plugins": [\n\t\t{\n\t\t\t"type": "ipvlan"\n\t\t}\n\t]\n}\n',
    '{\n\t"name": "a",\n\t"plugins": [\n\t\t{\n\t\t\t"type": "ipvlan"\n\t\t},\n\t\t{\n\t\t\t"type": "weir",\n\t\t\t"capabilities": {\n\t\t\t\t"bandwidth": true\n\t\t\t}\n\t\t}\n\t]\n}\n',
  );
  adds(
    '{ "name": "a",\r\n  "plugins": [\r\n    { "type": "ipvlan" }, \r\n    { "type": "portmap" }\r\n  ] }',
    '{ "name": "a",\r\n  "plugins": [\r\n    { "type": "ipvlan" }, \r\n    { "type": "portmap" },\r\n    { "type": "weir", "capabilities": { "bandwidth": true } }\r\n  ] }'.replace(
      '"portmap" },\r\n',
      '"portmap" }, \r\n',
    ),
  );
  adds(
    '{"plugins":[{"type":"ipvlan"}],"name":"a"}',
    '{"plugins":[{"type":"ipvlan"},{"type":"weir","capabilities":{"bandwidth":true}}],"name":"a"}',
  );
});

test("whatever a conflist looks like, its other text stays, and taking weir out gives it back", () => {
  const plugin = fc
    .record({ type: fc.constantFrom("ipvlan", "portmap", "tuning"), more: fc.jsonValue() })
    .map(({ type, more }) => ({ '"we]ird': more, type }));
  const conflist = fc.record({
    before: fc.jsonValue(),
    name: fc.constant("net"),
    plugins: fc.array(plugin, { minLength: 1, maxLength: 4 }),
    after: fc.jsonValue(),
  });
  const indent = fc.constantFrom(undefined, 1, 2, 4, "\t");
  fc.assert(
    fc.property(conflist, indent, fc.boolean(), (value, unit, crlf) => {
      const plain = JSON.stringify(value, null, unit);
      const text = crlf ? plain.replaceAll("\n", "\r\n") : plain;
      const after = added(text);
      const parsed = JSON.parse(text);
      assert.equal(JSON.parse(after), { ...parsed, plugins: [...parsed.plugins, ENTRY] });
      assert.is(withoutWeir(read(after)), text);
      assert.ok(hasWeir(read(after)));
    }),
  );
});

test("numbers and keys that JSON.parse would change stay as they are written", () => {
  adds(
    '{"name":"a","x":18446744073709551615,"y":1.50,"plugins":[{"type":"a","type":"ipvlan"}]}',
    '{"name":"a","x":18446744073709551615,"y":1.50,"plugins":[{"type":"a","type":"ipvlan"},{"type":"weir","capabilities":{"bandwidth":true}}]}',
  );
});

test("an entry that lacks the capability gets it, with its other fields as they were", () => {
  const entry = (weir: string) => `{"name":"a","plugins":[{"type":"ipvlan"},${weir},{"type":"x"}]}`;
  const cases = [
    ['{"type":"weir"}', '{"type":"weir","capabilities": {"bandwidth":true}}'],
    ['{"type":"weir","capabilities":{}}', '{"type":"weir","capabilities":{"bandwidth":true}}'],
    [
      '{"type":"weir","capabilities":{"bandwidth":false},"markMs":1}',
      '{"type":"weir","capabilities":{"bandwidth":true},"markMs":1}',
    ],
    [
      '{"type":"weir","capabilities":{"portMappings":true}}',
      '{"type":"weir","capabilities":{"portMappings":true,"bandwidth": true}}',
    ],
    ['{"type":"weir","capabilities":null}', '{"type":"weir","capabilities":{"bandwidth":true}}'],
  ] as const;
  for (const [before, after] of cases) {
    assert.is(added(entry(before)), entry(after));
    assert.is(withoutWeir(read(entry(after))), '{"name":"a","plugins":[{"type":"ipvlan"},{"type":"x"}]}');
  }
});

test("what weir cannot serve is refused, with what to do", () => {
  const list = (rest: string) => `{"name":"a",${rest}}`;
  refuses("{", /is no JSON/);
  refuses("[]", /must be a JSON object/);
  refuses(
    '{"cniVersion":"0.4.0","name":"a","type":"ipvlan"}',
    /a single plugin/,
    /10-pods\.conflist.*"plugins":\[\{"type":"ipvlan"\}\]/,
  );
  refuses('{"plugins":[]}', /has no name/);
  refuses(list('"plugins":{}'), /no list of plugins/);
  refuses(list('"plugins":[{"type":"a"},{}]'), /plugins\[1\] has no type/);
  refuses(list('"plugins":[{"type":"a"}]'), /CNI version "0\.1\.0"/, /speaks 0\.3\.0, .*1\.1\.0/);
  refuses(list('"cniVersion":"1.2.0","plugins":[{"type":"a"}]'), /CNI version "1\.2\.0"/);
  refuses(list('"cniVersion":"1.0.0","cniVersions":["1.0.0","2.0.0"],"plugins":[{"type":"a"}]'), /"2\.0\.0"/);
  refuses(list('"cniVersion":"1.0.0","plugins":[]'), /no plugin that weir could be chained to/);
  refuses(list('"cniVersion":"1.0.0","plugins":[{"type":"a"},{"type":"bandwidth"}]'), /a second time/);
  checkServable(read(list('"cniVersion":"1.1.0","cniVersions":["0.3.1","1.0.0"],"plugins":[{"type":"a"}]')));
});

test("a conflist of weir alone cannot lose it", () => {
  assert.throws(() => withoutWeir(read('{"name":"a","plugins":[{"type":"weir"}]}')), /no plugin but weir/);
});

test.run();
