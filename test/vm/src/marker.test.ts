import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { MarkerStream } from "./marker.js";

/** What comes out for chunks that go in, and how often the marker was seen. */
function pass(marker: string, chunks: readonly Uint8Array[]): { output: Buffer; seen: number } {
  let seen = 0;
  const stream = new MarkerStream(marker, () => {
    seen += 1;
  });
  const output: Buffer[] = [];
  stream.on("data", (chunk: Buffer) => output.push(chunk));
  for (const chunk of chunks) stream.write(Buffer.from(chunk));
  let part: Buffer | null;
  // biome-ignore lint/suspicious/noAssignInExpressions: the stream's own way to be drained at once
  while ((part = stream.read() as Buffer | null)) output.push(part);
  return { output: Buffer.concat(output), seen };
}

test("however the bytes are cut, all before the marker comes out and the marker does not", () => {
  // Two letters only, so that the marker's beginnings abound.
  const bytes = fc.array(fc.constantFrom(0x61, 0x62), { maxLength: 40 }).map((list) => Buffer.from(list));
  fc.assert(
    fc.property(bytes, fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1 }), (before, sizes) => {
      const marker = "ababaX";
      const whole = Buffer.concat([before, Buffer.from(marker)]);
      const chunks: Buffer[] = [];
      for (let at = 0, n = 0; at < whole.length; n++) {
        const size = sizes[n % sizes.length]!;
        chunks.push(whole.subarray(at, at + size));
        at += size;
      }
      const { output, seen } = pass(marker, chunks);
      assert.equal(output, before);
      assert.is(seen, 1);
    }),
  );
});

test("output that cannot belong to the marker is passed on at once", () => {
  const { output, seen } = pass("MARKER", [Buffer.from("hello\n"), Buffer.from("MARK")]);
  assert.is(output.toString(), "hello\n");
  assert.is(seen, 0);
});

test("what follows the marker is swallowed", () => {
  const { output, seen } = pass("MARKER", [Buffer.from("aMARKERb"), Buffer.from("MARKERc")]);
  assert.is(output.toString(), "a");
  assert.is(seen, 1);
});

test.run();
