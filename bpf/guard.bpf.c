// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * The guard: drops what a pod sends beyond its limit where the pod itself cannot reach. Inside the pod's namespace
 * weir.bpf.c stamps packets and fq holds them; a socket with CAP_NET_RAW can pass both by (PACKET_QDISC_BYPASS). This
 * program runs on the host's side, at the egress of the device below ipvlan and macvlan devices (the uplink) or at the
 * ingress of a veth's other end, and drops what a clock of its own, a little faster than the limit, does not allow. It
 * never delays, and leaves departure times alone.
 *
 * The classid (of the filter, or set by the program that calls this one) says where it runs: at a veth's other end
 * everything is one pod's, and the classid is PEER and the pod's entry; on an uplink it is the uplink's number.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include "limits.h"

#define NSEC_PER_SEC 1000000000ULL
#define CLOCK_RETRIES 16

/*
 * Entries are the shaper's: an attachment has the same index here as in weir.bpf.c. Entry 0 is the host's. Behind them
 * each uplink has one for what comes from nobody that is known: its number is the index from there.
 */
#define MAX_UPLINKS 64
#define HOST 0

#define PEER 0x8000

/* Attachments share addresses and namespaces with nobody, but may have several of each. */
#define MAX_ADDRESSES 32768
#define MAX_SENDERS 8192
#define MAX_KNOWN 1024

#define ETH_HLEN 14
#define MAX_TAGS 4

/* The headers of a TCP segment without options, which each segment of a large packet gets when it is cut. */
#define SEGMENT_HEADERS (ETH_HLEN + 20 + 20)

struct guard_limit {
	__u64 bits_per_second; /* 0: whatever comes is counted and let through */
	__u64 burst_ns;        /* credit after idle, in time at this rate */
	__u64 since_ns;        /* before this time nothing is dropped: a change of the limit takes effect in the pod first */
	__u32 drop;            /* whatever comes is dropped */
	__u32 pad;
	__u64 owner;           /* for user space alone */
};

struct guard_clock {
	__u64 next_ns;
	__u64 latest_ns; /* the latest departure time seen */
	struct bpf_spin_lock lock; /* used before Linux 5.12, which brought 64-bit compare-and-swap */
};

struct guard_counters {
	__u64 packets; /* that were let through */
	__u64 bytes;
	__u64 dropped;
	__u64 dropped_bytes;
};

struct address {
	__u32 uplink;
	__u8 bytes[16]; /* IPv4 as ::ffff:a.b.c.d */
};

struct address_entry {
	__u32 entry;
	__u32 netns; /* the inode number of the namespace that the address belongs to */
	__u64 owner;
};

struct sender {
	__u32 uplink;
	__u32 netns;
};

struct sender_entry {
	__u32 entry;
	__u32 pad;
	__u64 owner;
};

/* A prefix whose addresses are the host's business. */
struct known {
	__u32 prefix_length; /* of uplink and bytes together */
	__u32 uplink;
	__u8 bytes[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct guard_limit);
	__uint(max_entries, MAX_ENTRIES + MAX_UPLINKS);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} guard_limits SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct guard_clock);
	__uint(max_entries, MAX_ENTRIES + MAX_UPLINKS);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} guard_clocks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct guard_counters);
	__uint(max_entries, MAX_ENTRIES + MAX_UPLINKS);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} guard_counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct address);
	__type(value, struct address_entry);
	__uint(max_entries, MAX_ADDRESSES);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} guard_addresses SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct sender);
	__type(value, struct sender_entry);
	__uint(max_entries, MAX_SENDERS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} guard_senders SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__type(key, struct known);
	__type(value, __u32);
	__uint(max_entries, MAX_KNOWN);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} guard_known SEC(".maps");

/* Of the kernel's own structures, found by its BTF: include/net/sock.h, net_namespace.h, linux/ns_common.h. */
struct ns_common {
	unsigned int inum;
} __attribute__((preserve_access_index));

struct net {
	struct ns_common ns;
} __attribute__((preserve_access_index));

typedef struct {
	struct net *net;
} possible_net_t;

struct sock_common {
	possible_net_t skc_net;
} __attribute__((preserve_access_index));

/* How much of a socket is read to find its namespace: skc_net lies in its first 64 bytes on every 64-bit kernel. */
#define SOCK_HEAD 64

/* What the wire carries of a packet. */
static __always_inline __u64 wire_bytes(struct __sk_buff *skb, int received)
{
	__u64 bytes = skb->wire_len;
	__u32 size = skb->gso_size;

	/* What arrives is not counted by segments: net/core/dev.c, sch_handle_ingress. */
	if (received && size && bytes > size)
		bytes += (bytes / size - 1) * SEGMENT_HEADERS;
	return bytes;
}

/*
 * When a packet left the pod, as far as its clock is concerned. fq lets packets go late, and then many at once, when a
 * timer or a CPU is late; their departure times tell that they are within the limit all the same. An old departure
 * time helps nobody: it brings no credit.
 */
static __always_inline __u64 departure_of(struct __sk_buff *skb, int received, __u64 now)
{
	__u64 departure = received ? 0 : skb->tstamp;

	return departure && departure < now ? departure : now;
}

/*
 * The latest departure time of an entry's packets, this one's included. What fq lets go late comes in no order of time,
 * as its flows take turns then: a packet may have been overtaken by others whose times are later, and all of them are
 * within the limit at the latest of their times. Where two CPUs meet, the earlier time may win, which only asks for
 * more of the credit.
 */
static __always_inline __u64 latest_of(struct guard_clock *clock, __u64 when)
{
	__u64 latest = *(volatile __u64 *)&clock->latest_ns;

	if (latest >= when)
		return latest;
	*(volatile __u64 *)&clock->latest_ns = when;
	return when;
}

static __always_inline int take(struct guard_clock *clock, __u64 earliest, __u64 when, __u64 cost)
{
	for (int i = 0; i < CLOCK_RETRIES; i++) {
		__u64 next = *(volatile __u64 *)&clock->next_ns;
		__u64 slot = next > earliest ? next : earliest;

		if (slot > when)
			return 0;
		if (__sync_val_compare_and_swap(&clock->next_ns, next, slot + cost) == next)
			return 1;
	}
	__sync_fetch_and_add(&clock->next_ns, cost);
	return 1;
}

static __always_inline int take_locked(struct guard_clock *clock, __u64 earliest, __u64 when, __u64 cost)
{
	__u64 slot;

	bpf_spin_lock(&clock->lock);
	slot = clock->next_ns;
	if (slot < earliest)
		slot = earliest;
	if (slot <= when)
		clock->next_ns = slot + cost;
	bpf_spin_unlock(&clock->lock);
	return slot <= when;
}

/* Counts a packet for an entry, and drops it where the entry's clock does not allow it. */
static __always_inline int police(struct __sk_buff *skb, __u32 entry, int received, int locked)
{
	struct guard_limit *limit = bpf_map_lookup_elem(&guard_limits, &entry);
	struct guard_clock *clock = bpf_map_lookup_elem(&guard_clocks, &entry);
	struct guard_counters *count = bpf_map_lookup_elem(&guard_counters, &entry);
	__u64 bytes = wire_bytes(skb, received);
	__u64 rate, now, when, latest, earliest, cost;
	int pass = 1;

	if (!limit || !clock || !count)
		return TC_ACT_UNSPEC;
	rate = limit->bits_per_second;
	if (limit->drop) {
		pass = 0;
	} else if (rate) {
		now = bpf_ktime_get_ns();
		when = departure_of(skb, received, now);
		latest = latest_of(clock, when);
		earliest = when > limit->burst_ns ? when - limit->burst_ns : 1;
		/* Rounded down: in doubt for the pod. */
		cost = bytes * 8 * NSEC_PER_SEC / rate;
		if (now >= limit->since_ns)
			pass = locked ? take_locked(clock, earliest, latest, cost) : take(clock, earliest, latest, cost);
	}
	if (!pass) {
		count->dropped++;
		count->dropped_bytes += bytes;
		return TC_ACT_SHOT;
	}
	count->packets++;
	count->bytes += bytes;
	return TC_ACT_UNSPEC;
}

/*
 * The source address, read from the frame's own bytes: skb->protocol is what the sender's socket says it is, and a
 * frame from a packet socket may be in pieces, which loading bytes copes with. 0 where it is not IP.
 */
static __always_inline int source_of(struct __sk_buff *skb, struct address *address)
{
	__u32 offset = ETH_HLEN;
	__be16 protocol;

	if (bpf_skb_load_bytes(skb, ETH_HLEN - 2, &protocol, sizeof(protocol)))
		return 0;
	for (int i = 0; i < MAX_TAGS; i++) {
		if (!is_tag(protocol))
			break;
		if (bpf_skb_load_bytes(skb, offset + 2, &protocol, sizeof(protocol)))
			return 0;
		offset += 4;
	}
	if (protocol == bpf_htons(ETH_P_IP)) {
		__builtin_memset(address->bytes, 0, 10);
		address->bytes[10] = address->bytes[11] = 0xff;
		return bpf_skb_load_bytes(skb, offset + 12, address->bytes + 12, 4) == 0;
	}
	if (protocol == bpf_htons(ETH_P_IPV6))
		return bpf_skb_load_bytes(skb, offset + 8, address->bytes, 16) == 0;
	return 0;
}

/* The inode number of the namespace that the packet's socket belongs to; 0 where it has none, as when it was routed. */
static __always_inline __u32 sender_of(struct __sk_buff *skb)
{
	struct bpf_sock *socket = skb->sk;
	__u8 head[SOCK_HEAD];
	__u64 place;
	struct net *net;

	if (!socket)
		return 0;
	/* The verifier lets no pointer to a socket be read through, nor moved: a copy of its beginning will do. */
	if (bpf_probe_read_kernel(head, sizeof(head), socket))
		return 0;
	place = bpf_core_field_offset(struct sock_common, skc_net);
	if (place > SOCK_HEAD - sizeof(net))
		return 0;
	net = *(struct net **)(head + place);
	return BPF_CORE_READ(net, ns.inum);
}

static __always_inline int is_known(struct address *address)
{
	struct known known = { .prefix_length = 32 + 128, .uplink = address->uplink };

	__builtin_memcpy(known.bytes, address->bytes, sizeof(known.bytes));
	return bpf_map_lookup_elem(&guard_known, &known) != 0;
}

/*
 * Whom a packet on an uplink is charged to. An address that belongs to the namespace that sends decides; else the
 * namespace does, so that a pod is charged for addresses that it made up, another pod's included; where no socket is
 * left to be asked, as behind a router, the address alone counts.
 */
static __always_inline __u32 charged(struct __sk_buff *skb, __u32 uplink, int senders)
{
	struct address address = { .uplink = uplink };
	struct sender sender = { .uplink = uplink };
	struct address_entry *owner = 0;
	struct sender_entry *from;
	int is_ip;

	if (senders)
		sender.netns = sender_of(skb);
	is_ip = source_of(skb, &address);
	if (is_ip)
		owner = bpf_map_lookup_elem(&guard_addresses, &address);
	if (owner && (!sender.netns || owner->netns == sender.netns))
		return owner->entry;
	if (sender.netns) {
		from = bpf_map_lookup_elem(&guard_senders, &sender);
		if (from)
			return from->entry;
	}
	/* What is not IP keeps the network alive (ARP, LLDP, LACP), and hosts' addresses are their own business. */
	return !is_ip || is_known(&address) ? HOST : MAX_ENTRIES + uplink;
}

/* Whether the shaper leaves a packet of an entry's alone, at this very moment: it and the guard read one limit. */
static __always_inline int is_left_alone(struct __sk_buff *skb, __u32 entry)
{
	struct limit *limit = bpf_map_lookup_elem(&limits, &entry);

	return limit && is_exempt(skb, limit);
}

static __always_inline int guard(struct __sk_buff *skb, int locked, int senders)
{
	__u32 place = skb->tc_classid, entry = place & ~PEER;
	int peer = place & PEER;

	if (!peer) {
		if (!place || place >= MAX_UPLINKS)
			return TC_ACT_UNSPEC;
		entry = charged(skb, place, senders);
	}
	if (entry == HOST || is_left_alone(skb, entry))
		return TC_ACT_UNSPEC;
	return police(skb, entry, peer, locked);
}

SEC("tc")
int weir_guard(struct __sk_buff *skb)
{
	return guard(skb, 0, 1);
}

/* For kernels without 64-bit compare-and-swap: 5.10 and 5.11. */
SEC("tc")
int weir_guard_locked(struct __sk_buff *skb)
{
	return guard(skb, 1, 1);
}

/* For kernels without BTF of their own, or whose sockets cannot be looked into: addresses alone. */
SEC("tc")
int weir_guard_addresses(struct __sk_buff *skb)
{
	return guard(skb, 1, 0);
}

char LICENSE[] SEC("license") = "GPL";
