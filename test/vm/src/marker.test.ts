import { buffer } from "node:stream/consumers";
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { MarkerStream } from "./marker.js";

/** The whole output for chunks that go in, and whether the marker ended it. */
async function pass(
  marker: string,
  chunks: readonly Buffer[],
): Promise<{ output: Buffer; complete: boolean }> {
  const stream = new MarkerStream(marker);
  const output = buffer(stream);
  for (const chunk of chunks) stream.write(chunk);
  if (!stream.complete) stream.end();
  return { output: await output, complete: stream.complete };
}

/** Cuts bytes into chunks of the given sizes, over and over. */
function cut(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0, n = 0; at < bytes.length; n++) {
    const size = sizes[n % sizes.length]!;
    chunks.push(bytes.subarray(at, at + size));
    at += size;
  }
  return chunks;
}

// Two letters only, so that the marker's beginnings abound.
const letters = fc.array(fc.constantFrom(0x61, 0x62), { maxLength: 40 }).map((list) => Buffer.from(list));
const sizes = fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 5 });

test("however the bytes are cut, all before the marker comes out and the marker does not", async () => {
  await fc.assert(
    fc.asyncProperty(letters, sizes, async (before, parts) => {
      const marker = "ababaX";
      const { output, complete } = await pass(
        marker,
        cut(Buffer.concat([before, Buffer.from(marker)]), parts),
      );
      assert.equal(output, before);
      assert.ok(complete);
    }),
  );
});

test("without the marker every byte comes out, the marker's beginning too", async () => {
  await fc.assert(
    fc.asyncProperty(letters, sizes, async (bytes, parts) => {
      const { output, complete } = await pass("ababaX", cut(bytes, parts));
      assert.equal(output, bytes);
      assert.not.ok(complete);
    }),
  );
});

test("bytes that cannot belong to the marker come out at once", () => {
  const stream = new MarkerStream("MARKER");
  stream.write(Buffer.from("hello\n"));
  assert.is(String(stream.read()), "hello\n");
  stream.write(Buffer.from("world MARK"));
  assert.is(String(stream.read()), "world ");
});

test("what follows the marker is swallowed", async () => {
  const { output } = await pass("MARKER", [Buffer.from("aMARKERb"), Buffer.from("MARKERc")]);
  assert.is(output.toString(), "a");
});

test.run();
