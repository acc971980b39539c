/**
 * What `tc -s -d -j qdisc show` (iproute2 6.1.0) says of the qdiscs in captured-tc.ts: the first of each device, or the
 * one that is not the default.
 */
export const shownByTc: readonly { readonly command: string; readonly json: string }[] = [
  {
    command:
      "tc qdisc replace dev d0 root handle 1: fq limit 2000 flow_limit 40 quantum 3000 initial_quantum 9000 maxrate 1gbit buckets 2048 refill_delay 20ms low_rate_threshold 1mbit ce_threshold 1ms timer_slack 20us horizon 3s horizon_cap",
    json: '{"kind":"fq","handle":"1:","root":true,"refcnt":5,"options":{"limit":2000,"flow_limit":40,"buckets":2048,"orphan_mask":1023,"quantum":3000,"initial_quantum":9000,"maxrate":125000000,"low_rate_threshold":125000,"refill_delay":20000,"ce_threshold":1000,"timer_slack":20000,"horizon":3000000,"horizon_cap":null},"bytes":132,"packets":3,"drops":0,"overlimits":0,"requeues":0,"backlog":0,"qlen":0,"flows":3,"inactive":3,"throttled":0,"gc":0,"highprio":0}',
  },
  {
    command: "tc qdisc replace dev d0 root handle 1: fq_codel",
    json: '{"kind":"fq_codel","handle":"1:","root":true,"refcnt":5,"options":{"limit":10240,"flows":1024,"quantum":1514,"target":4999,"interval":99999,"memory_limit":33554432,"ecn":true,"drop_batch":64},"bytes":132,"packets":3,"drops":0,"overlimits":0,"requeues":0,"backlog":0,"qlen":0,"maxpacket":0,"drop_overlimit":0,"new_flow_count":0,"ecn_mark":0,"new_flows_len":0,"old_flows_len":0}',
  },
  {
    command:
      "tc qdisc replace dev d0 root handle 1: fq_codel limit 1000 flows 512 target 3ms interval 40ms quantum 1400 noecn ce_threshold 1ms memory_limit 4mb drop_batch 32",
    json: '{"kind":"fq_codel","handle":"1:","root":true,"refcnt":5,"options":{"limit":1000,"flows":512,"quantum":1400,"target":2999,"ce_threshold":999,"interval":39999,"memory_limit":4194304,"drop_batch":32},"bytes":132,"packets":3,"drops":0,"overlimits":0,"requeues":0,"backlog":0,"qlen":0,"maxpacket":0,"drop_overlimit":0,"new_flow_count":0,"ecn_mark":0,"new_flows_len":0,"old_flows_len":0}',
  },
  {
    command: "tc qdisc replace dev d0 root handle 1: fq_codel ce_threshold 2ms ce_threshold_selector 0x1/0x3",
    json: '{"kind":"fq_codel","handle":"1:","root":true,"refcnt":5,"options":{"limit":10240,"flows":1024,"quantum":1514,"target":4999,"ce_threshold":1999,"ce_threshold_selector":1,"ce_threshold_mask":3,"interval":99999,"memory_limit":33554432,"ecn":true,"drop_batch":64},"bytes":132,"packets":3,"drops":0,"overlimits":0,"requeues":0,"backlog":0,"qlen":0,"maxpacket":0,"drop_overlimit":0,"new_flow_count":0,"ecn_mark":0,"new_flows_len":0,"old_flows_len":0}',
  },
  {
    command: "tc qdisc replace dev d0 root handle 1: codel",
    json: '{"kind":"codel","handle":"1:","root":true,"refcnt":5,"options":{"limit":1000,"target":4999,"interval":99999},"bytes":132,"packets":3,"drops":0,"overlimits":0,"requeues":0,"backlog":0,"qlen":0,"count":0,"lastcount":0,"ldelay":0,"drop_next":0,"maxpacket":0,"ecn_mark":0,"drop_overlimit":0}',
  },
  {
    command:
      "tc qdisc replace dev d0 root handle 1: codel limit 500 target 4ms interval 90ms ce_threshold 2ms ecn",
    json: '{"kind":"codel","handle":"1:","root":true,"refcnt":5,"options":{"limit":500,"target":3999,"ce_threshold":1999,"interval":89999,"ecn":true},"bytes":132,"packets":3,"drops":0,"overlimits":0,"requeues":0,"backlog":0,"qlen":0,"count":0,"lastcount":0,"ldelay":0,"drop_next":0,"maxpacket":0,"ecn_mark":0,"drop_overlimit":0}',
  },
  {
    command: "tc qdisc replace dev d0 root handle 1: sfq",
    json: '{"kind":"sfq","handle":"1:","root":true,"refcnt":5,"options":{"limit":127,"quantum":1514,"depth":127,"flows":128,"divisor":1024},"bytes":132,"packets":3,"drops":0,"overlimits":0,"requeues":0,"backlog":0,"qlen":0}',
  },
  {
    command:
      "tc qdisc replace dev d0 root handle 1: sfq limit 100 perturb 10 quantum 2000 depth 60 divisor 512 headdrop",
    json: '{"kind":"sfq","handle":"1:","root":true,"refcnt":5,"options":{"limit":100,"quantum":2000,"depth":60,"headdrop":true,"flows":100,"divisor":512,"perturb":10},"bytes":132,"packets":3,"drops":0,"overlimits":0,"requeues":0,"backlog":0,"qlen":0}',
  },
  {
    command:
      "tc qdisc replace dev d0 root handle 1: sfq redflowlimit 100000 min 8000 max 60000 probability 0.2 ecn",
    json: '{"kind":"sfq","handle":"1:","root":true,"refcnt":5,"options":{"limit":127,"quantum":1514,"depth":127,"flows":128,"divisor":1024,"ewma":6,"min":8000,"max":60000,"probability":0.2,"ecn":true,"harddrop":false,"adaptive":false,"nodrop":false,"prob_mark":0,"prob_mark_head":0,"prob_drop":0,"forced_mark":0,"forced_mark_head":0,"forced_drop":0},"bytes":132,"packets":3,"drops":0,"overlimits":0,"requeues":0,"backlog":0,"qlen":0}',
  },
  {
    command: "tc qdisc replace dev d0 root handle 1: pfifo limit 50",
    json: '{"kind":"pfifo","handle":"1:","root":true,"refcnt":5,"options":{"limit":50},"bytes":132,"packets":3,"drops":0,"overlimits":0,"requeues":0,"backlog":0,"qlen":0}',
  },
  {
    command: "tc qdisc replace dev d0 root handle 1: bfifo limit 50000",
    json: '{"kind":"bfifo","handle":"1:","root":true,"refcnt":5,"options":{"limit":50000},"bytes":132,"packets":3,"drops":0,"overlimits":0,"requeues":0,"backlog":0,"qlen":0}',
  },
  {
    command: "tc qdisc replace dev d0 root handle 1: pfifo_head_drop limit 20",
    json: '{"kind":"pfifo_head_drop","handle":"1:","root":true,"refcnt":5,"options":{"limit":20},"bytes":132,"packets":3,"drops":0,"overlimits":0,"requeues":0,"backlog":0,"qlen":0}',
  },
  {
    command: "tc qdisc replace dev d0 root handle 1: prio",
    json: '{"kind":"prio","handle":"1:","root":true,"refcnt":5,"options":{"bands":3,"priomap":[1,2,2,2,1,2,0,0,1,1,1,1,1,1,1,1],"multiqueue":false},"bytes":0,"packets":0,"drops":0,"overlimits":0,"requeues":0,"backlog":0,"qlen":0}',
  },
  {
    command: "tc qdisc replace dev d0 root handle 1: prio bands 4 priomap 3 2 1 0 1 2 0 0 1 1 1 1 1 1 1 1",
    json: '{"kind":"prio","handle":"1:","root":true,"refcnt":5,"options":{"bands":4,"priomap":[3,2,1,0,1,2,0,0,1,1,1,1,1,1,1,1],"multiqueue":false},"bytes":0,"packets":0,"drops":0,"overlimits":0,"requeues":0,"backlog":0,"qlen":0}',
  },
  {
    command: "tc qdisc replace dev d0 root handle 1: mq",
    json: '{"kind":"mq","handle":"1:","root":true,"options":{},"bytes":0,"packets":0,"drops":0,"overlimits":0,"requeues":0,"backlog":0,"qlen":0}',
  },
  {
    command:
      "tc qdisc replace dev d0 root handle 1: mqprio num_tc 3 map 2 2 1 0 2 2 2 2 2 2 2 2 2 2 2 2 queues 1@0 1@1 2@2 hw 0",
    json: '{"kind":"mqprio","handle":"1:","root":true,"options":{"tc":3,"map":[2,2,1,0,2,2,2,2,2,2,2,2,2,2,2,2],"queues":[[0,0],[1,1],[2,3]],"mode":"dcb","shaper":"dcb"},"bytes":0,"packets":0,"drops":0,"overlimits":0,"requeues":0,"backlog":0,"qlen":0}',
  },
  {
    command: "tc qdisc replace dev d0 root handle 1: netem delay 10ms",
    json: '{"kind":"netem","handle":"1:","root":true,"refcnt":5,"options":{"limit":1000,"delay":{"delay":0.01,"jitter":0,"correlation":0},"ecn":false,"gap":0},"bytes":0,"packets":0,"drops":0,"overlimits":0,"requeues":0,"backlog":0,"qlen":0}',
  },
  {
    command:
      "tc qdisc replace dev d0 root handle 1: netem limit 500 delay 10ms 2ms 25% loss 1.5% 10% duplicate 2% 5% corrupt 0.1% 1% reorder 5% 50% gap 5",
    json: '{"kind":"netem","handle":"1:","root":true,"refcnt":5,"options":{"limit":500,"delay":{"delay":0.01,"jitter":0.002,"correlation":0.25},"loss-random":{"loss":0.015,"correlation":0.1},"duplicate":{"duplicate":0.02,"correlation":0.05},"reorder":{"reorder":0.05,"correlation":0.5},"corrupt":{"corrupt":0.001,"correlation":0.01},"ecn":false,"gap":5},"bytes":0,"packets":0,"drops":0,"overlimits":0,"requeues":0,"backlog":0,"qlen":0}',
  },
  {
    command:
      "tc qdisc replace dev d0 root handle 1: netem delay 5s 1s rate 5mbit 20 100 5 slot 1ms 2ms packets 10 bytes 20000",
    json: '{"kind":"netem","handle":"1:","root":true,"refcnt":5,"options":{"limit":1000,"delay":{"delay":5,"jitter":1,"correlation":0},"rate":{"rate":625000,"packetoverhead":20,"cellsize":100,"celloverhead":5},"slot":{"min-delay":0.001,"max-delay":0.002,"packets":10,"bytes":20000},"ecn":false,"gap":0},"bytes":0,"packets":0,"drops":0,"overlimits":0,"requeues":0,"backlog":0,"qlen":0}',
  },
  {
    command:
      "tc qdisc replace dev d0 root handle 1: netem delay 10ms 2ms distribution normal loss gemodel 1% 10% 70% 0.1% ecn",
    json: '{"kind":"netem","handle":"1:","root":true,"refcnt":5,"options":{"limit":1000,"delay":{"delay":0.01,"jitter":0.002,"correlation":0},"loss-gemodel":{"p":0.01,"r":0.1,"1-h":0.7,"1-k":0.001},"ecn":true,"gap":0},"bytes":0,"packets":0,"drops":0,"overlimits":0,"requeues":0,"backlog":0,"qlen":0}',
  },
  {
    command: "tc qdisc replace dev d0 root handle 1: netem loss state 1% 10% 30% 20% 2%",
    json: '{"kind":"netem","handle":"1:","root":true,"refcnt":5,"options":{"limit":1000,"loss-state":{"p13":0.01,"p31":0.1,"p32":0.3,"p23":0.2,"p14":0.02},"ecn":false,"gap":0},"bytes":0,"packets":0,"drops":0,"overlimits":0,"requeues":0,"backlog":0,"qlen":0}',
  },
  {
    command:
      "tc qdisc replace dev d0 root handle 1: netem rate 50gbit slot distribution normal 2ms 100us packets 5",
    json: '{"kind":"netem","handle":"1:","root":true,"refcnt":5,"options":{"limit":1000,"rate":{"rate":6250000000,"packetoverhead":0,"cellsize":0,"celloverhead":0},"slot":{"distribution":0.002,"jitter":0.0001,"packets":5,"bytes":0},"ecn":false,"gap":0},"bytes":0,"packets":0,"drops":0,"overlimits":0,"requeues":0,"backlog":0,"qlen":0}',
  },
  {
    command: "tc qdisc replace dev d0 root handle 1: cake",
    json: '{"kind":"cake","handle":"1:","root":true,"refcnt":5,"options":{"bandwidth":"unlimited","diffserv":"diffserv3","flowmode":"triple-isolate","nat":false,"wash":false,"ingress":false,"ack-filter":"disabled","split_gso":true,"rtt":100000,"raw":true,"overhead":0,"fwmark":"0"},"bytes":132,"packets":3,"drops":0,"overlimits":0,"requeues":0,"backlog":0,"qlen":0,"memory_used":960,"memory_limit":15503360,"capacity_estimate":0,"min_network_size":44,"max_network_size":44,"min_adj_size":44,"max_adj_size":44,"avg_hdr_offset":0,"tins":[{"threshold_rate":0,"sent_bytes":0,"backlog_bytes":0,"target_us":5000,"interval_us":100000,"peak_delay_us":0,"avg_delay_us":0,"base_delay_us":0,"sent_packets":0,"way_indirect_hits":0,"way_misses":0,"way_collisions":0,"drops":0,"ecn_mark":0,"ack_drops":0,"sparse_flows":0,"bulk_flows":0,"unresponsive_flows":0,"max_pkt_len":0,"flow_quantum":1514},{"threshold_rate":0,"sent_bytes":132,"backlog_bytes":0,"target_us":5000,"interval_us":100000,"peak_delay_us":325,"avg_delay_us":5,"base_delay_us":5,"sent_packets":3,"way_indirect_hits":0,"way_misses":3,"way_collisions":0,"drops":0,"ecn_mark":0,"ack_drops":0,"sparse_flows":3,"bulk_flows":0,"unresponsive_flows":0,"max_pkt_len":44,"flow_quantum":1514}]}',
  },
  {
    command:
      "tc qdisc replace dev d0 root handle 1: cake bandwidth 100mbit besteffort dual-srchost nat wash ack-filter rtt 50ms overhead 18 mpu 64 atm memlimit 4mb",
    json: '{"kind":"cake","handle":"1:","root":true,"refcnt":5,"options":{"bandwidth":12500000,"diffserv":"besteffort","flowmode":"dual-srchost","nat":true,"wash":true,"ingress":false,"ack-filter":"enabled","split_gso":true,"rtt":50000,"raw":false,"atm":"atm","overhead":18,"mpu":64,"memlimit":4194304,"fwmark":"0"},"bytes":132,"packets":3,"drops":0,"overlimits":0,"requeues":0,"backlog":0,"qlen":0,"memory_used":960,"memory_limit":4194304,"capacity_estimate":12500000,"min_network_size":30,"max_network_size":30,"min_adj_size":106,"max_adj_size":106,"avg_hdr_offset":0,"tins":[{"threshold_rate":12500000,"sent_bytes":132,"backlog_bytes":0,"target_us":2500,"interval_us":50000,"peak_delay_us":56,"avg_delay_us":0,"base_delay_us":0,"sent_packets":3,"way_indirect_hits":0,"way_misses":3,"way_collisions":0,"drops":0,"ecn_mark":0,"ack_drops":0,"sparse_flows":3,"bulk_flows":0,"unresponsive_flows":0,"max_pkt_len":44,"flow_quantum":1514}]}',
  },
  {
    command:
      "tc qdisc replace dev d0 root handle 1: cake bandwidth 50gbit diffserv8 flows ingress autorate-ingress split-gso fwmark 0xff ptm overhead -10",
    json: '{"kind":"cake","handle":"1:","root":true,"refcnt":5,"options":{"bandwidth":5836486816,"autorate":"autorate-ingress","diffserv":"diffserv8","flowmode":"flows","nat":false,"wash":false,"ingress":true,"ack-filter":"disabled","split_gso":true,"rtt":100000,"raw":false,"atm":"ptm","overhead":-10,"fwmark":"0xff"},"bytes":132,"packets":3,"drops":0,"overlimits":0,"requeues":0,"backlog":0,"qlen":0,"memory_used":960,"memory_limit":15503360,"capacity_estimate":6225585938,"min_network_size":30,"max_network_size":30,"min_adj_size":21,"max_adj_size":21,"avg_hdr_offset":0,"tins":[{"threshold_rate":5836486816,"sent_bytes":0,"backlog_bytes":0,"target_us":5000,"interval_us":100000,"peak_delay_us":0,"avg_delay_us":0,"base_delay_us":0,"sent_packets":0,"way_indirect_hits":0,"way_misses":0,"way_collisions":0,"drops":0,"ecn_mark":0,"ack_drops":0,"sparse_flows":0,"bulk_flows":0,"unresponsive_flows":0,"max_pkt_len":0,"flow_quantum":1514},{"threshold_rate":5106925964,"sent_bytes":0,"backlog_bytes":0,"target_us":5000,"interval_us":100000,"peak_delay_us":0,"avg_delay_us":0,"base_delay_us":0,"sent_packets":0,"way_indirect_hits":0,"way_misses":0,"way_collisions":0,"drops":0,"ecn_mark":0,"ack_drops":0,"sparse_flows":0,"bulk_flows":0,"unresponsive_flows":0,"max_pkt_len":0,"flow_quantum":1514}]}',
  },
  {
    command:
      "tc qdisc replace dev d0 root handle 1: cake unlimited precedence triple-isolate ack-filter-aggressive no-split-gso datacentre",
    json: '{"kind":"cake","handle":"1:","root":true,"refcnt":5,"options":{"bandwidth":"unlimited","diffserv":"precedence","flowmode":"triple-isolate","nat":false,"wash":false,"ingress":false,"ack-filter":"aggressive","split_gso":false,"rtt":100,"raw":true,"overhead":0,"fwmark":"0"},"bytes":132,"packets":3,"drops":0,"overlimits":0,"requeues":0,"backlog":0,"qlen":0,"memory_used":960,"memory_limit":15503360,"capacity_estimate":0,"min_network_size":44,"max_network_size":44,"min_adj_size":44,"max_adj_size":44,"avg_hdr_offset":0,"tins":[{"threshold_rate":0,"sent_bytes":132,"backlog_bytes":0,"target_us":5,"interval_us":100,"peak_delay_us":4,"avg_delay_us":0,"base_delay_us":0,"sent_packets":3,"way_indirect_hits":0,"way_misses":3,"way_collisions":0,"drops":0,"ecn_mark":0,"ack_drops":0,"sparse_flows":1,"bulk_flows":0,"unresponsive_flows":0,"max_pkt_len":44,"flow_quantum":1514},{"threshold_rate":0,"sent_bytes":0,"backlog_bytes":0,"target_us":5,"interval_us":100,"peak_delay_us":0,"avg_delay_us":0,"base_delay_us":0,"sent_packets":0,"way_indirect_hits":0,"way_misses":0,"way_collisions":0,"drops":0,"ecn_mark":0,"ack_drops":0,"sparse_flows":0,"bulk_flows":0,"unresponsive_flows":0,"max_pkt_len":0,"flow_quantum":1514}]}',
  },
  {
    command: "tc qdisc replace dev d0 root handle 1: etf clockid CLOCK_TAI delta 200000 skip_sock_check",
    json: '{"kind":"etf","handle":"1:","root":true,"refcnt":5,"options":{"clockid":"TAI","delta":200000,"offload":"off","deadline_mode":"off","skip_sock_check":"on"},"bytes":0,"packets":0,"drops":0,"overlimits":0,"requeues":0,"backlog":0,"qlen":0}',
  },
  {
    command: "tc qdisc replace dev d0 root handle 1: etf clockid CLOCK_TAI delta 300000 deadline_mode",
    json: '{"kind":"etf","handle":"1:","root":true,"refcnt":5,"options":{"clockid":"TAI","delta":300000,"offload":"off","deadline_mode":"on","skip_sock_check":"off"},"bytes":0,"packets":0,"drops":0,"overlimits":0,"requeues":0,"backlog":0,"qlen":0}',
  },
  {
    command:
      "tc qdisc replace dev d0 root handle 1: tbf rate 100mbit burst 32000 latency 25ms overhead 20 mpu 64 linklayer atm",
    json: '{"kind":"tbf","handle":"1:","root":true,"refcnt":5,"options":{"rate":12500000,"burst":"35400b/1","mpu":64,"lat":24728,"overhead":20,"linklayer":"atm"},"bytes":0,"packets":0,"drops":0,"overlimits":0,"requeues":0,"backlog":0,"qlen":0}',
  },
  {
    command:
      "tc qdisc replace dev d0 root handle 1: tbf rate 1gbit burst 50000 limit 100000 peakrate 2gbit mtu 1600",
    json: '{"kind":"tbf","handle":"1:","root":true,"refcnt":5,"options":{"rate":125000000,"burst":"50000b/1","mpu":0,"mtu":"1500b/1","lat":400,"linklayer":"ethernet"},"bytes":0,"packets":0,"drops":0,"overlimits":0,"requeues":0,"backlog":0,"qlen":0}',
  },
  {
    command:
      "tc qdisc replace dev d0 root handle 1: tbf rate 50gbit burst 4mb latency 10ms peakrate 60gbit mtu 9000",
    json: '{"kind":"tbf","handle":"1:","root":true,"refcnt":5,"options":{"rate":6250000000,"burst":"4Mb/1","mpu":0,"mtu":"7500b/1","lat":10000,"linklayer":"ethernet"},"bytes":0,"packets":0,"drops":0,"overlimits":0,"requeues":0,"backlog":0,"qlen":0}',
  },
  {
    command: "tc qdisc replace dev d0 root handle 1: htb default 10 r2q 20",
    json: '{"kind":"htb","handle":"1:","root":true,"refcnt":5,"options":{"r2q":20,"default":"0x10","direct_packets_stat":0,"ver":"3.17","direct_qlen":1000},"bytes":0,"packets":0,"drops":0,"overlimits":0,"requeues":0,"backlog":0,"qlen":0}',
  },
  {
    command: "tc qdisc replace dev d0 root handle 1: htb default 0x1f direct_qlen 5",
    json: '{"kind":"htb","handle":"1:","root":true,"refcnt":5,"options":{"r2q":10,"default":"0x1f","direct_packets_stat":0,"ver":"3.17","direct_qlen":5},"bytes":0,"packets":0,"drops":0,"overlimits":0,"requeues":0,"backlog":0,"qlen":0}',
  },
  {
    command: "tc qdisc replace dev d0 root noqueue",
    json: '{"kind":"noqueue","handle":"8001:","root":true,"refcnt":5,"options":{},"bytes":0,"packets":0,"drops":0,"overlimits":0,"requeues":0,"backlog":0,"qlen":0}',
  },
  {
    command: "tc qdisc replace dev d0 ingress_block 22 ingress",
    json: '{"kind":"ingress","handle":"ffff:","parent":"ffff:fff1","ingress_block":22,"options":{},"bytes":0,"packets":0,"drops":0,"overlimits":0,"requeues":0,"backlog":0,"qlen":0}',
  },
  {
    command: "tc qdisc replace dev d0 ingress_block 22 egress_block 23 clsact",
    json: '{"kind":"clsact","handle":"ffff:","parent":"ffff:fff1","ingress_block":22,"egress_block":23,"options":{},"bytes":0,"packets":0,"drops":0,"overlimits":0,"requeues":0,"backlog":0,"qlen":0}',
  },
  {
    command:
      "tc qdisc replace dev d0 root handle 1: stab overhead 20 mpu 64 linklayer ethernet tsize 64 mtu 2047 fq_codel",
    json: '{"kind":"fq_codel","handle":"1:","root":true,"refcnt":5,"options":{"limit":10240,"flows":1024,"quantum":1514,"target":4999,"interval":99999,"memory_limit":33554432,"ecn":true,"drop_batch":64},"stab":{"linklayer":"ethernet","overhead":20,"mpu":64,"mtu":2047,"tsize":64},"bytes":0,"packets":0,"drops":0,"overlimits":0,"requeues":0,"backlog":0,"qlen":0,"maxpacket":0,"drop_overlimit":0,"new_flow_count":0,"ecn_mark":0,"new_flows_len":0,"old_flows_len":0}',
  },
  {
    command: "tc qdisc replace dev d0 root handle 1: estimator 250ms 1s pfifo",
    json: '{"kind":"pfifo","handle":"1:","root":true,"refcnt":5,"options":{"limit":1000},"bytes":0,"packets":0,"drops":0,"overlimits":0,"requeues":0,"rate":0,"pps":0,"backlog":0,"qlen":0}',
  },
];
