import { NotSupportedError } from "@weir/syscall";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { assemble, exit, instruction, move } from "../asm.js";
import { BpfProgram, ProgramFlag, VerifierError } from "../index.js";
import { openDescriptors } from "../testing/descriptors.js";
import { parseFixture } from "../testing/fixtures.js";
import { needs, testWith, testWithout } from "../testing/kernel.js";
import { thrown } from "../testing/thrown.js";
import { kernelBefore } from "./call.js";

const test = suite("refused programs");

function refused(name: string): Error {
  return thrown(() =>
    parseFixture("refused")
      .load({ programs: [name] })
      .close(),
  );
}

test("the verifier's last words are the message, and its whole log is kept", () => {
  const before = openDescriptors();
  const error = refused("out_of_bounds") as VerifierError;
  assert.instance(error, VerifierError);
  assert.is(error.program, "out_of_bounds");
  assert.is(error.code, "EACCES");
  assert.match(
    error.message,
    /the verifier refused program "out_of_bounds" \(EACCES\): .*invalid access to packet/,
  );
  assert.not.match(error.message, "processed");
  assert.match(error.log, /processed \d+ insns/);
  assert.equal(openDescriptors(), before);
});

test("a log longer than the first buffer is kept whole", () => {
  const error = refused("after_long_log") as VerifierError;
  assert.ok(error.log.length > 64 * 1024, `the log has ${error.log.length} bytes`);
  assert.match(error.message, "invalid access to packet");
  assert.match(error.log, /processed \d+ insns/);
});

testWith(test, needs.setTstamp, "a program with a helper that the kernel has is loaded", () => {
  using loaded = parseFixture("refused").load({ programs: ["new_helper"] });
  assert.is(loaded.programs.length, 1);
});

testWithout(
  test,
  needs.setTstamp,
  "a helper that the kernel does not have is named with the version that brought it",
  () => {
    const error = refused("new_helper") as NotSupportedError;
    assert.instance(error, NotSupportedError);
    assert.is(error.since, "5.18");
    assert.match(error.feature, "bpf_skb_set_tstamp");
  },
);

testWith(test, needs.atomics, "a program with atomics that the kernel has is loaded and right", () => {
  using loaded = parseFixture("refused").load({ programs: ["atomics"] });
  assert.is(loaded.program("atomics").testRun({ data: new Uint8Array(64) }).returnValue, 5 + 6);
});

testWithout(
  test,
  needs.atomics,
  "atomics that the kernel does not have are named with the version that brought them",
  () => {
    const error = refused("atomics") as NotSupportedError;
    assert.instance(error, NotSupportedError);
    assert.is(error.since, "5.12");
  },
);

const before = (since: readonly [number, number], name: string) => ({
  name,
  since,
  has: () => !kernelBefore(...since),
});
/** r0 = (s8) r0 */
const version4 = assemble(move(0, 0), instruction(0xbf, 0, 0, 8, 0), exit());

testWith(
  test,
  before([6, 6], "version 4"),
  "instructions of version 4 load where the kernel has them",
  () => {
    BpfProgram.load({ type: "xdp", instructions: version4, license: "GPL" }).close();
  },
);

testWithout(
  test,
  before([6, 6], "version 4"),
  "instructions that are too new are told with their version",
  () => {
    const error = thrown(() => BpfProgram.load({ type: "xdp", instructions: version4, license: "GPL" }));
    assert.is((error as NotSupportedError).since, "6.6");
  },
);

testWithout(test, before([6, 7], "unix hooks"), "a hook that is too new is told with its version", () => {
  const error = thrown(() =>
    BpfProgram.load({
      type: "cgroup_sock_addr",
      expectedAttachType: "cgroup_unix_connect",
      instructions: assemble(move(0, 1), exit()),
      license: "GPL",
    }),
  );
  assert.is((error as NotSupportedError).since, "6.7");
  assert.match((error as NotSupportedError).feature, "attach type cgroup_unix_connect");
});

testWithout(test, before([5, 18], "xdp.frags"), "a flag that is too new is told with its version", () => {
  const flags = ProgramFlag.XDP_HAS_FRAGS;
  const instructions = assemble(move(0, 2), exit());
  const error = thrown(() => BpfProgram.load({ type: "xdp", flags, instructions, license: "GPL" }));
  assert.is((error as NotSupportedError).since, "5.18");
});

test.run();
