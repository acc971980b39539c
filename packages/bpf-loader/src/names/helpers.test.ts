import { suite } from "uvu";
import * as assert from "uvu/assert";
import { helperName, helperNames } from "./helpers.js";

const test = suite("helper names");

test("numbers are the kernel's", () => {
  assert.equal([1, 2, 25, 67, 130, 164, 192, 209, 211].map(helperName), [
    "bpf_map_lookup_elem",
    "bpf_map_update_elem",
    "bpf_perf_event_output",
    "bpf_get_stack",
    "bpf_ringbuf_output",
    "bpf_for_each_map_elem",
    "bpf_skb_set_tstamp",
    "bpf_user_ringbuf_drain",
    "bpf_cgrp_storage_delete",
  ]);
  assert.is(helperNames().length, 212);
  assert.equal([0, 212, -1].map(helperName), [undefined, undefined, undefined]);
});

test.run();
