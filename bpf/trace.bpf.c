// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * Tells how long packets are going to wait: it runs behind the program that stamps them (weir.bpf.c), at the same
 * device, for as long as somebody looks on, and reads the departure times from their stamps.
 *
 * weir.bpf.c ends with TC_ACT_UNSPEC, which goes on to the next filter of a clsact qdisc and the next link of tcx; so
 * does this program, so that others behind it see what they would see without it. A packet that weir.bpf.c drops does
 * not come this far.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

#define RING_BYTES (256 * 1024)

/* What is further away is no departure time: a time of arrival, by another clock, of a packet that the limit is not for. */
#define MAX_WAIT_NS (120 * 1000000000ULL)

struct sample {
	__u64 wait_ns; /* how long until its departure; 0: it may leave at once */
	__u32 ifindex; /* the device that it leaves by */
	__u32 bytes;   /* as on the wire: link-layer headers, and the headers of every segment of a GSO packet */
};

struct counts {
	__u64 seen;
	__u64 unstamped; /* had no departure time: the limit is not for them */
	__u64 lost;      /* would have been samples, but the ring was full */
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, RING_BYTES);
} samples SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct counts);
	__uint(max_entries, 1);
} counts SEC(".maps");

/* One packet in so many is a sample; set before the program is loaded, as is the next. */
const volatile __u32 sample_every = 1;

/* The monotonic time from which on nobody looks on any more, should the process that did have died; 0: never. */
const volatile __u64 until_ns = 0;

SEC("tc")
int weir_trace(struct __sk_buff *skb)
{
	__u32 zero = 0;
	struct counts *count = bpf_map_lookup_elem(&counts, &zero);
	__u64 now = bpf_ktime_get_ns(), departure = skb->tstamp;
	struct sample *sample;

	if (!count || (until_ns && now >= until_ns))
		return TC_ACT_UNSPEC;
	count->seen++;
	if (!departure || departure > now + MAX_WAIT_NS) {
		count->unstamped++;
		return TC_ACT_UNSPEC;
	}
	if (sample_every > 1 && bpf_get_prandom_u32() % sample_every)
		return TC_ACT_UNSPEC;
	sample = bpf_ringbuf_reserve(&samples, sizeof(*sample), 0);
	if (!sample) {
		count->lost++;
		return TC_ACT_UNSPEC;
	}
	sample->wait_ns = departure > now ? departure - now : 0;
	sample->ifindex = skb->ifindex;
	sample->bytes = skb->wire_len;
	/* Whoever looks on comes by often enough. */
	bpf_ringbuf_submit(sample, BPF_RB_NO_WAKEUP);
	return TC_ACT_UNSPEC;
}

char LICENSE[] SEC("license") = "GPL";
