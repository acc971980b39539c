// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * Stamps each packet with its earliest departure time (EDT); the fq qdisc behind it holds the packet until then.
 *
 * One program serves every attachment of a node. It runs as a direct-action filter at a device's clsact egress, and the
 * filter's classid, which cls_bpf copies into skb->tc_classid before it runs the program (net/sched/cls_bpf.c), is the
 * index of the attachment's entry in each of the maps.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

#define NSEC_PER_SEC 1000000000ULL
#define MAX_ENTRIES 4096
#define CLOCK_RETRIES 16

/* A departure time that the socket asked for (TCP pacing, SO_TXTIME) is believed up to this far ahead. */
#define MAX_WISH_NS (2 * NSEC_PER_SEC)

/* What user space decides. It is apart from the clock so that a live change never overwrites a running clock. */
struct limit {
	__u64 bits_per_second; /* 0: the entry is not in use */
	__u64 horizon_ns;      /* packets that would wait longer are dropped */
	__u64 burst_ns;        /* credit after idle, in time at the limit's rate */
	__u64 owner;           /* for user space alone: which attachment the entry belongs to */
};

/* What CPUs race for: the time at which the next packet may leave. */
struct clock {
	__u64 next_ns;
	struct bpf_spin_lock lock; /* used before Linux 5.12, which brought 64-bit compare-and-swap */
};

struct counters {
	__u64 packets;
	__u64 bytes;    /* as on the wire: link-layer headers, and the headers of every segment of a GSO packet */
	__u64 delayed;
	__u64 dropped;
	__u64 delay_ns; /* the sum over all packets */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct limit);
	__uint(max_entries, MAX_ENTRIES);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} limits SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct clock);
	__uint(max_entries, MAX_ENTRIES);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} clocks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct counters);
	__uint(max_entries, MAX_ENTRIES);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} counters SEC(".maps");

/* Whether bpf_skb_set_tstamp is there (Linux 5.18); set before the program is loaded. */
const volatile __u8 typed_timestamps = 0;

/* The slot of a packet: when it may leave. 0 where the queue is longer than the horizon. */
static __always_inline __u64 take_slot(struct clock *clock, __u64 earliest, __u64 latest, __u64 cost)
{
	for (int i = 0; i < CLOCK_RETRIES; i++) {
		__u64 next = *(volatile __u64 *)&clock->next_ns;
		__u64 slot = next > earliest ? next : earliest;

		if (slot > latest)
			return 0;
		if (__sync_val_compare_and_swap(&clock->next_ns, next, slot + cost) == next)
			return slot;
	}
	/* Others won every round: the packet is charged all the same, so that the limit holds. */
	return __sync_fetch_and_add(&clock->next_ns, cost);
}

static __always_inline __u64 take_slot_locked(struct clock *clock, __u64 earliest, __u64 latest, __u64 cost)
{
	__u64 slot;

	bpf_spin_lock(&clock->lock);
	slot = clock->next_ns;
	if (slot < earliest)
		slot = earliest;
	if (slot <= latest)
		clock->next_ns = slot + cost;
	else
		slot = 0;
	bpf_spin_unlock(&clock->lock);
	return slot;
}

static __always_inline int shape(struct __sk_buff *skb, int locked)
{
	__u32 index = skb->tc_classid;
	struct limit *limit = bpf_map_lookup_elem(&limits, &index);
	struct clock *clock = bpf_map_lookup_elem(&clocks, &index);
	struct counters *count = bpf_map_lookup_elem(&counters, &index);
	__u64 rate, now, wish, cost, earliest, latest, slot, departure;

	if (!limit || !clock || !count)
		return TC_ACT_UNSPEC;
	rate = limit->bits_per_second;
	if (!rate)
		return TC_ACT_UNSPEC;

	now = bpf_ktime_get_ns();
	wish = skb->tstamp;
	/* Rounded up: a limit is never exceeded by what division loses. */
	cost = ((__u64)skb->wire_len * 8 * NSEC_PER_SEC + rate - 1) / rate;

	earliest = now > limit->burst_ns ? now - limit->burst_ns : 1;
	latest = now + limit->horizon_ns;
	if (locked)
		slot = take_slot_locked(clock, earliest, latest, cost);
	else
		slot = take_slot(clock, earliest, latest, cost);
	if (!slot) {
		count->dropped++;
		return TC_ACT_SHOT;
	}

	/* The slot is charged even where the packet's own socket wants to send it later. */
	departure = slot > now ? slot : now;
	if (departure > now) {
		count->delayed++;
		count->delay_ns += departure - now;
	}
	count->packets++;
	count->bytes += skb->wire_len;
	if (wish > departure && wish < now + MAX_WISH_NS)
		departure = wish;

	/*
	 * A departure time of a known type survives the way through other devices, and is not taken for the time of
	 * arrival by a socket that asks for receive timestamps. The helper knows IPv4 and IPv6 alone.
	 */
	if (!locked && typed_timestamps &&
	    bpf_skb_set_tstamp(skb, departure, BPF_SKB_TSTAMP_DELIVERY_MONO) == 0)
		return TC_ACT_UNSPEC;
	skb->tstamp = departure;
	return TC_ACT_UNSPEC;
}

SEC("tc")
int weir_shape(struct __sk_buff *skb)
{
	return shape(skb, 0);
}

/* For kernels without 64-bit compare-and-swap: 5.10 and 5.11. */
SEC("tc")
int weir_shape_locked(struct __sk_buff *skb)
{
	return shape(skb, 1);
}

char LICENSE[] SEC("license") = "GPL";
