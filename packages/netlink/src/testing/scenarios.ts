/** What is read after a command: which dump, and what iproute2 is asked for beside it. */
export type Table =
  | "link"
  | "bridgeLink"
  | "inet6Link"
  | "address"
  | "route4"
  | "route6"
  | "routeMpls"
  | "rule4"
  | "rule6"
  | "neighbour"
  | "proxy"
  | "fdb"
  | "nexthop"
  | "bucket"
  | "bridgeVlan"
  | "neighbourTable"
  | "netconf4"
  | "netconf6"
  | "netconfMpls"
  | "namespaceId"
  | "family"
  | "policy"
  | "mdb"
  | "action"
  | "blockFilter"
  | "qdisc"
  | "wireguard"
  | "ethtool"
  | "netdev";

/** Commands, each group in a network namespace of its own: what is new after each of `commands` is captured. */
export interface Scenario {
  readonly table: Table;
  /** Runs first. */
  readonly setup?: string;
  readonly commands: readonly string[];
  /** Whether all that is there is captured, new or not. */
  readonly all?: true;
}

const pair = "ip link add v0 type veth peer name v1";
const upPair = `${pair}; ip link set v0 up; ip link set v1 up`;
const addressed = `${upPair}; ip link set lo up; ip addr add 192.0.2.1/24 dev v0; ip addr add 2001:db8::1/64 dev v0 nodad`;
const bridged = `${pair}; ip link add x0 type bridge vlan_filtering 1; ip link set v0 master x0`;
const links = (...commands: string[]): Scenario[] =>
  commands.map((command) => ({ table: "link", commands: [command] }));
const linksOver = (setup: string, ...commands: string[]): Scenario[] =>
  commands.map((command) => ({ table: "link", setup, commands: [command] }));

/** Every kind of object, made with iproute2 6.1.0. The link that is captured is x0, or else v0. */
export const scenarios: readonly Scenario[] = [
  ...links(
    "ip link add x0 type dummy",
    "ip link add x0 type ifb",
    "ip link add x0 type nlmon",
    "ip link add x0 type vcan",
    "ip link add x0 type wireguard",
    "ip link add x0 type team",
    "ip link add x0 numtxqueues 4 numrxqueues 4 type dummy",
    "ip link add x0 address 02:00:00:00:00:01 mtu 1400 txqueuelen 77 group 5 type dummy",
    "ip link add v0 type veth peer name v1",
    "ip link add x0 type vrf table 10",
    "ip link add x0 type vxlan id 77 remote 192.0.2.9 local 192.0.2.1 dstport 4789 ttl 5 tos 1 nolearning ageing 120 maxaddress 1000 srcport 1000 2000 udpcsum df set gbp",
    "ip link add x0 type vxlan id 78 remote 2001:db8::9 local 2001:db8::1 dstport 4790 flowlabel 5 udp6zerocsumtx udp6zerocsumrx",
    "ip link add x0 type vxlan external dstport 4789 vnifilter",
    "ip link add x0 type vxlan dstport 4789 gpe external",
    "ip link add x0 type vxlan id 80 dstport 8472 proxy rsc l2miss l3miss",
    "ip link add x0 type geneve id 5 remote 192.0.2.9 ttl 9 tos 4 dstport 6082 df inherit udpcsum",
    "ip link add x0 type geneve id 6 remote 2001:db8::9 ttl inherit flowlabel 7 noudp6zerocsumtx",
    "ip link add x0 type geneve external innerprotoinherit",
    "ip link add x0 type bridge",
    "ip link add x0 type bridge ageing_time 1000 forward_delay 400 hello_time 100 max_age 900 priority 4096 stp_state 1",
    "ip link add x0 type bridge vlan_filtering 1 vlan_default_pvid 5 vlan_stats_enabled 1 vlan_protocol 802.1ad",
    "ip link add x0 type bridge mcast_snooping 1 mcast_querier 1 mcast_hash_max 512 mcast_igmp_version 3 mcast_mld_version 2 mcast_stats_enabled 1 mcast_query_interval 5000",
    "ip link add x0 type bridge nf_call_iptables 1 group_fwd_mask 8 group_address 01:80:c2:00:00:04 no_linklocal_learn 1",
    "ip link add x0 type bond mode active-backup miimon 100 updelay 200 downdelay 300",
    "ip link add x0 type bond mode 802.3ad miimon 100 lacp_rate fast ad_select bandwidth xmit_hash_policy layer3+4 ad_user_port_key 5 ad_actor_sys_prio 99 min_links 1",
    "ip link add x0 type bond mode balance-rr arp_interval 100 arp_ip_target 192.0.2.7,192.0.2.8 packets_per_slave 3 resend_igmp 4",
    "ip link add x0 type bond mode balance-xor xmit_hash_policy vlan+srcmac all_slaves_active 1",
    "ip link add x0 type bond mode balance-tlb tlb_dynamic_lb 0",
    "ip link add x0 type gre local 192.0.2.1 remote 192.0.2.2 ttl 64 key 5",
    "ip link add x0 type gre external",
    "ip link add x0 type gretap local 192.0.2.1 remote 192.0.2.2 ttl 64 ikey 5 okey 6 ocsum oseq fwmark 7",
    "modprobe fou; ip link add x0 type gretap remote 192.0.2.2 nopmtudisc ignore-df encap fou encap-sport auto encap-dport 5555 encap-csum",
    "ip link add x0 type erspan local 192.0.2.1 remote 192.0.2.2 seq key 5 erspan_ver 1 erspan 123",
    "ip link add x0 type erspan local 192.0.2.1 remote 192.0.2.2 seq key 5 erspan_ver 2 erspan_dir egress erspan_hwid 3",
    "ip link add x0 type ip6gre local 2001:db8::1 remote 2001:db8::2 encaplimit 3 hoplimit 9 dscp inherit",
    "ip link add x0 type ip6gretap local 2001:db8::1 remote 2001:db8::2 key 9 flowlabel 5",
    "ip link add x0 type ip6erspan local 2001:db8::1 remote 2001:db8::2 seq key 5 erspan_ver 1 erspan 7",
    "ip link add x0 type ipip local 192.0.2.1 remote 192.0.2.2 ttl 64",
    "modprobe fou; ip link add x0 type ipip remote 192.0.2.2 encap gue encap-sport 1234 encap-dport 5555 encap-remcsum",
    "ip link add x0 type sit local 192.0.2.1 remote 192.0.2.2 ttl 64 mode any",
    "ip link add x0 type ip6tnl local 2001:db8::1 remote 2001:db8::2 mode ip6ip6 encaplimit none tclass inherit fwmark 3",
    "ip link add x0 type ip6tnl external",
    "ip link add x0 type vti local 192.0.2.1 remote 192.0.2.2 ikey 5 okey 6",
    "ip link add x0 type vti6 local 2001:db8::1 remote 2001:db8::2 key 9",
    "modprobe tun; ip tuntap add dev x0 mode tap multi_queue vnet_hdr",
    "modprobe tun; ip tuntap add dev x0 mode tun user 1 group 2",
  ),
  ...linksOver(
    pair,
    "ip link add x0 link v0 type ipvlan mode l2 bridge",
    "ip link add x0 link v0 type ipvlan mode l3 private",
    "ip link add x0 link v0 type ipvlan mode l3s vepa",
    "ip link add x0 link v0 type ipvtap mode l2",
    "ip link add x0 link v0 type macvlan mode bridge",
    "ip link add x0 link v0 type macvlan mode private",
    "ip link add x0 link v0 type macvlan mode vepa bcqueuelen 500",
    "ip link add x0 link v0 type macvlan mode passthru nopromisc",
    "ip link add x0 link v0 type macvlan mode source; ip link set x0 type macvlan macaddr set 02:00:00:00:00:01 02:00:00:00:00:02",
    "ip link add x0 link v0 type macvtap mode vepa",
    "ip link add x0 link v0 type vlan id 42",
    "ip link add x0 link v0 type vlan protocol 802.1ad id 7 gvrp on loose_binding on ingress-qos-map 1:2 egress-qos-map 3:4 5:6",
    "ip link add x0 link v0 type macsec port 11 encrypt on",
    "ip link add x0 type xfrm dev v0 if_id 7",
    "ip link add x0 type xfrm external",
    "ip link add x0 type vxlan id 5 group 239.1.1.1 dev v0 dstport 4789 ttl auto",
    "ip link add x0 type vxlan id 6 group ff05::100 dev v0 dstport 4789",
    "ip link add x0 type hsr slave1 v0 slave2 v1 supervision 45 version 1",
    "ip link add x0 type hsr slave1 v0 slave2 v1 supervision 45 proto 1",
    "ip link set v0 up alias uplink",
    "ip link property add dev v0 altname uplink0 altname a-very-long-alternative-name",
    "ip link set v0 promisc on allmulticast on multicast off arp off",
    "ip link set v0 gso_max_size 32000 gso_max_segs 20",
    "ip link set v0 addrgenmode none",
    "ip link set v0 addrgenmode random",
    "ip link add x0 link v0 type macvlan mode bridge; ip link set x0 protodown on; ip link set x0 protodown_reason 3 on",
    "ip link set v0 up; ip link set v1 up",
    "ip netns add other; ip link set v1 netns other",
  ),
  ...linksOver(
    `${pair}; ip link add br0 type bridge`,
    "ip link set v0 master br0",
    "ip link set v0 master br0; bridge link set dev v0 cost 77 priority 5 guard on hairpin on learning off flood off isolated on",
    "ip link set v0 master br0; bridge link set dev v0 mcast_flood off bcast_flood off neigh_suppress on root_block on mcast_router 2 fastleave on vlan_tunnel on",
    "ip link set v0 master br0; bridge link set dev v0 locked on",
  ),
  ...linksOver(
    `${pair}; ip link add b0 type bond mode 802.3ad miimon 100`,
    "ip link set v0 master b0",
    "ip link set v0 master b0; ip link set v0 type bond_slave queue_id 3",
  ),
  ...linksOver(`${pair}; ip link add vrf0 type vrf table 10`, "ip link set v0 master vrf0"),
  ...linksOver(`${pair}; ip link add t0 type team`, "ip link set v0 master t0"),
  { table: "bridgeLink", setup: pair, commands: ["ip link add br0 type bridge; ip link set v0 master br0"] },
  {
    table: "bridgeLink",
    setup: bridged,
    commands: ["bridge vlan add dev v0 vid 100-110 untagged; bridge vlan add dev v0 vid 7 pvid"],
  },
  { table: "inet6Link", commands: [pair] },
  {
    table: "address",
    setup: upPair,
    commands: [
      "ip addr add 192.0.2.1/24 dev v0",
      "ip addr add 192.0.2.2/24 dev v0",
      "ip addr add 198.51.100.1 peer 198.51.100.2 dev v1 label v1:x",
      "ip addr add 203.0.113.1/32 dev lo scope host",
      "ip addr add 192.0.2.65/26 broadcast 192.0.2.127 dev v1 noprefixroute",
      "ip addr add 192.0.2.200/30 dev v0 metric 77 valid_lft 3600 preferred_lft 1800",
      "ip addr add 2001:db8::1/64 dev v0 nodad",
      "ip addr add 2001:db8::2/64 dev v0 valid_lft 3600 preferred_lft 1800 home",
      "ip addr add 2001:db8:1::3 peer 2001:db8:1::4/128 dev v1 noprefixroute nodad",
      "ip addr add 2001:db8:2::5/64 dev v0 mngtmpaddr nodad",
    ],
  },
  {
    table: "route4",
    setup: addressed,
    commands: [
      "ip route add 10.0.0.0/8 via 192.0.2.2",
      "ip route add 10.1.0.0/16 dev v0",
      "ip route add default via 192.0.2.254 metric 7 mtu 1400 advmss 1300",
      "ip route add 10.2.0.0/16 via 192.0.2.2 mtu lock 1300 window 1000 rtt 100ms rttvar 50ms ssthresh 77 cwnd 10 initcwnd 20 initrwnd 30 rto_min 40ms hoplimit 9 quickack 1 reordering 5 features ecn congctl cubic",
      "ip route add 10.3.0.0/16 nexthop via 192.0.2.2 weight 3 nexthop via 192.0.2.3 dev v0 weight 1 onlink",
      "ip route add blackhole 10.4.0.0/16 table 1000",
      "ip route add unreachable 10.5.0.0/16 metric 9",
      "ip route add prohibit 10.6.0.0/16",
      "ip route add throw 10.7.0.0/16 table 77",
      "ip route add local 10.8.0.0/16 dev lo table 100",
      "ip route add broadcast 10.9.255.255 dev v0 table 100",
      "ip route add 10.10.0.0/16 via 203.0.113.9 dev v0 onlink proto bird src 192.0.2.1 tos 0x10",
      "ip route add 10.11.0.0/16 via inet6 fe80::1 dev v0",
      "ip route add 10.12.0.0/16 dev v0 scope host proto 77 realm 5/6",
      "ip nexthop add id 1 via 192.0.2.2 dev v0; ip route add 10.13.0.0/16 nhid 1",
      "ip route add 10.14.0.0/16 encap ip id 7 dst 192.0.2.9 src 192.0.2.1 ttl 5 tos 4 dev v0",
      "ip route add 10.15.0.0/16 encap mpls 100/200 ttl 9 via 192.0.2.2",
      "ip route add 10.16.0.0/16 encap seg6 mode encap segs 2001:db8::9,2001:db8::8 dev v0",
      "ip route add multicast 239.0.0.0/8 dev v0",
      "ip route add 10.17.0.0/16 nexthop encap mpls 300 via 192.0.2.2 nexthop encap mpls 301 via 192.0.2.3",
      "ip route add 10.18.0.0/16 fastopen_no_cookie 1 dev v0",
      "ip route append 10.0.0.0/8 via 192.0.2.3 metric 0 tos 0",
    ],
  },
  {
    table: "route6",
    setup: addressed,
    commands: [
      "ip route add 2001:db8:1::/48 via 2001:db8::2",
      "ip route add default via 2001:db8::fe metric 7 mtu 1400 pref high",
      "ip route add 2001:db8:2::/48 dev v0 expires 3600",
      "ip route add 2001:db8:3::/48 nexthop via 2001:db8::2 weight 3 nexthop via 2001:db8::3 dev v0",
      "ip route add blackhole 2001:db8:4::/48",
      "ip route add unreachable 2001:db8:5::/48 table 77",
      "ip route add prohibit 2001:db8:6::/48 metric 9",
      "ip route add 2001:db8:7::/48 from 2001:db8:8::/48 via 2001:db8::2",
      "ip route add 2001:db8:9::/48 via fe80::9 dev v0 src 2001:db8::1 pref low proto static",
      "ip route add 2001:db8:a::/48 encap seg6 mode inline segs 2001:db8::9 dev v0",
      "ip route add 2001:db8:b::/48 encap ip6 id 7 dst 2001:db8::9 hoplimit 5 dev v0",
      "ip route add 2001:db8:c::/48 encap seg6local action End.DX6 nh6 2001:db8::2 dev v0",
      "ip route add 2001:db8:e::/48 encap mpls 100 via 2001:db8::2",
      "ip nexthop add id 2 via 2001:db8::2 dev v0; ip route add 2001:db8:f::/48 nhid 2",
      "ip route add local 2001:db8:10::/48 dev lo table 100",
    ],
  },
  {
    table: "routeMpls",
    setup: `modprobe mpls_router; ${addressed}; sysctl -qw net.mpls.platform_labels=1000`,
    commands: [
      "ip -f mpls route add 100 via inet 192.0.2.2 dev v0",
      "ip -f mpls route add 200 as 300/400 via inet6 2001:db8::2 dev v0",
      "ip -f mpls route add 500 nexthop as 1 via inet 192.0.2.2 nexthop as 17 via inet 192.0.2.3",
      "ip -f mpls route add 600 dev lo ttl-propagate enabled",
    ],
  },
  {
    table: "rule4",
    commands: [
      "ip rule add from 10.0.0.0/8 table 100 priority 1000",
      "ip rule add to 192.0.2.0/24 blackhole priority 1001",
      "ip rule add fwmark 0x10/0xff table 101 priority 1002",
      "ip rule add iif lo table 102 priority 1003",
      "ip rule add oif v0 table 103 priority 1004",
      "ip rule add uidrange 1000-2000 table 104 priority 1005",
      "ip rule add ipproto tcp sport 80 dport 1000-2000 table 105 priority 1006",
      "ip rule add not from 10.1.0.0/16 tos 0x10 table 106 priority 1007",
      "ip rule add l3mdev priority 1008",
      "ip rule add from 10.2.0.0/16 goto 1000 priority 900",
      "ip rule add from 10.3.0.0/16 goto 3000 priority 2999",
      "ip rule add table main suppress_prefixlength 0 priority 1009",
      "ip rule add table main suppress_ifgroup 5 priority 1010",
      "ip rule add from 10.4.0.0/16 prohibit protocol 99 priority 1011",
      "ip rule add from 10.5.0.0/16 unreachable priority 1012",
      "ip rule add tun_id 77 table 5 priority 1013",
      "ip rule add from 10.6.0.0/16 table 1000 realms 5/6 priority 1014",
      "ip rule add nop priority 1015",
    ],
  },
  {
    table: "rule6",
    commands: [
      "ip -6 rule add from 2001:db8::/32 table 100 priority 1000",
      "ip -6 rule add to 2001:db8:1::/48 fwmark 7 lookup 5000 priority 1001",
      "ip -6 rule add iif lo ipproto udp dport 53 table 102 priority 1002",
    ],
  },
  {
    table: "neighbour",
    setup: upPair,
    commands: [
      "ip neigh add 192.0.2.9 lladdr 02:00:00:00:00:09 dev v0 nud permanent",
      "ip neigh add 192.0.2.10 lladdr 02:00:00:00:00:0a dev v0 nud reachable",
      "ip neigh add 192.0.2.11 lladdr 02:00:00:00:00:0b dev v0 nud stale protocol zebra",
      "ip neigh add 192.0.2.12 lladdr 02:00:00:00:00:0c dev v0 nud noarp",
      "ip neigh add 192.0.2.13 dev v0 nud none extern_learn lladdr 02:00:00:00:00:0d",
      "ip neigh add 2001:db8::9 lladdr 02:00:00:00:00:09 dev v0 router nud permanent",
      "ip neigh add 2001:db8::a lladdr 02:00:00:00:00:0a dev v0 managed extern_learn",
    ],
  },
  {
    table: "proxy",
    setup: upPair,
    commands: ["ip neigh add proxy 192.0.2.77 dev v0", "ip neigh add proxy 2001:db8::77 dev v0 protocol 18"],
  },
  {
    table: "fdb",
    setup: `${bridged}; ip link set v0 up; ip link set x0 up; ip link add vx0 type vxlan id 5 dstport 4789`,
    commands: [
      "bridge fdb add 02:00:00:00:00:01 dev v0 master static",
      "bridge fdb add 02:00:00:00:00:02 dev v0 master dynamic vlan 1 extern_learn",
      "bridge fdb add 02:00:00:00:00:03 dev v0 self",
      "bridge fdb add 02:00:00:00:00:04 dev x0 self local",
      "bridge fdb add 02:00:00:00:00:05 dev vx0 dst 192.0.2.5 port 4444 vni 9 self",
      "bridge fdb append 00:00:00:00:00:00 dev vx0 dst 192.0.2.6 via v0 self",
      "bridge fdb add 02:00:00:00:00:07 dev v0 master sticky static",
    ],
  },
  {
    table: "nexthop",
    setup: addressed,
    commands: [
      "ip nexthop add id 1 via 192.0.2.2 dev v0",
      "ip nexthop add id 2 via 2001:db8::2 dev v0",
      "ip nexthop add id 3 blackhole",
      "ip nexthop add id 4 dev v0",
      "ip nexthop add id 5 via 203.0.113.9 dev v0 onlink protocol bird",
      "ip nexthop add id 6 encap mpls 100 via 192.0.2.2 dev v0",
      "ip nexthop add id 11 group 1/5",
      "ip nexthop add id 12 group 1,3/5,5 type resilient buckets 32 idle_timer 60 unbalanced_timer 300",
      "ip nexthop add id 20 via 192.0.2.2 fdb",
      "ip nexthop add id 21 group 20 fdb",
    ],
  },
  {
    table: "bucket",
    setup: `${addressed}; ip nexthop add id 1 via 192.0.2.2 dev v0`,
    commands: ["ip nexthop add id 12 group 1 type resilient buckets 2 idle_timer 60"],
  },
  {
    table: "bridgeVlan",
    setup: bridged,
    commands: [
      "bridge vlan add dev v0 vid 100 pvid untagged",
      "bridge vlan add dev v0 vid 200-210",
      "bridge vlan add dev x0 vid 300 self",
      "bridge vlan set dev v0 vid 100 state blocking",
    ],
  },
  { table: "neighbourTable", setup: upPair, commands: ["ip ntable show"], all: true },
  {
    table: "netconf4",
    setup: pair,
    commands: ["sysctl -qw net.ipv4.conf.v0.forwarding=1 net.ipv4.conf.v0.rp_filter=2"],
  },
  { table: "netconf6", setup: pair, commands: ["sysctl -qw net.ipv6.conf.v0.forwarding=1"] },
  {
    table: "netconfMpls",
    setup: `modprobe mpls_router; ${pair}`,
    commands: ["sysctl -qw net.mpls.conf.v0.input=1"],
  },
  { table: "namespaceId", commands: ["ip netns add seven; ip netns set seven 77"] },
  { table: "family", commands: ["genl ctrl list"], all: true },
  { table: "policy", commands: ["genl ctrl list"], all: true },
  { table: "ethtool", commands: [pair], all: true },
  { table: "netdev", commands: [upPair], all: true },
  {
    table: "mdb",
    setup: `${bridged}; ip link set v1 up; ip link set v0 up; ip link set x0 up`,
    commands: [
      "bridge mdb add dev x0 port v0 grp 239.1.1.1 permanent vid 1",
      "bridge mdb add dev x0 port v0 grp 239.1.1.2 src 192.0.2.7 permanent vid 1",
      "bridge mdb add dev x0 port v0 grp ff0e::7 permanent vid 1",
      "bridge mdb add dev x0 port v0 grp 01:00:5e:7f:00:09 permanent vid 1",
      "ip link set x0 type bridge mcast_igmp_version 3 mcast_mld_version 2; bridge mdb add dev x0 port v0 grp 239.1.1.3 permanent vid 1",
      "bridge link set dev v0 mcast_router 2",
    ],
  },
  ...[
    "tc actions add action drop random determ pass 7 index 12 cookie 00112233",
    "tc actions add action gact pass index 3 action gact continue index 4",
    "tc actions add action police rate 50gbit burst 4mb peakrate 60gbit mtu 64kb index 5",
    "tc actions add action police pkts_rate 1000 pkts_burst 200 index 6",
    "tc actions add action skbedit mark 5/0xff priority 1:3 index 7",
    "tc actions add action vlan push id 5 protocol 802.1ad priority 3 index 8",
    "tc actions add action pedit ex munge ip ttl add 1 index 9",
    `${pair}; tc actions add action mirred egress redirect dev v0 index 10`,
  ].map((command): Scenario => ({ table: "action", commands: [command] })),
  {
    table: "blockFilter",
    setup: `${upPair}; tc qdisc add dev v0 ingress_block 22 clsact`,
    commands: [
      "tc filter add block 22 protocol ip prio 5 flower src_ip 10.0.0.0/8 action drop",
      "tc filter add block 22 protocol all prio 6 chain 3 matchall action pass",
    ],
  },
  {
    table: "qdisc",
    setup: upPair,
    commands: [
      "tc qdisc add dev v0 root stab overhead -4 linklayer atm mpu 64 tbf rate 1mbit burst 5000 limit 10000",
      "tc qdisc add dev v1 root estimator 250ms 1s fq_codel",
    ],
  },
  {
    table: "wireguard",
    setup: "ip link add x0 type wireguard",
    commands: ["setDevice, as configureWireguard of capture.ts does"],
  },
];
