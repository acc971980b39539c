/** What stands below the options in the help of `weir` and of each of its commands. */

export const programHelp = `
Exit codes: 0 done; 1 the command failed, with one sentence on standard error; 2 it was mistyped; 3 doctor found faults.
State lies in /run/weir (WEIR_STATE_DIRECTORY) and in the BPF filesystem at /sys/fs/bpf (WEIR_BPFFS).

Examples:
  weir doctor
  weir apply --netns blue --device eth0 --egress 100M --ingress 50M
  weir status`;

export const applyExamples = `  weir apply --netns blue --device eth0 --egress 100M --ingress 50M
  weir apply --netns /proc/4711/ns/net --device eth0 --egress 1Gi --id demo/eth0

Rates are Kubernetes quantities in bits per second: 64k, 100M, 1Gi, 1e8. A direction that is not named is not shaped.
A burst is credit after idle; without one it is what two large packets need. Horizon and marks hold for both directions.`;

export const removeExamples = `  weir remove blue/eth0
  weir remove --netns blue --device eth0`;

export const statusExamples = `  weir status
  weir status shop/web-7f9c
  weir status blue/eth0 --json --interval 0

NOW is what passes in bits per second, WAIT how long a packet waits, each over the interval; what else is counted is
since the limit was first set. DROPS are packets that would have waited longer than the horizon, MARKS those that were
told of congestion by ECN. Columns that a narrow terminal has no room for are in the JSON too.`;

export const topExamples = `  weir top
  weir top --interval 0.5
  weir top --json --count 3

Keys: the letter of a column, or the arrows to the left and right, sort; r reverses; up, down and the page keys scroll;
q ends it. With --json it prints a line for each look.`;

export const doctorExamples = `  weir doctor
  weir doctor --json

The exit code is 1 where the node cannot shape pods, and 3 where it can, but something is not as it should be: a pod's
shaping is damaged, or a network's configuration. Notes are no reason for either.`;

export const uplinkExamples = `  weir uplink set ens192 9500M
  weir apply --netns blue --device eth0 --egress 10G --uplink ens192 --egress-guarantee 500M
  weir uplink list

Attachments that want more than the uplink carries together get what they are guaranteed, and share the rest by weight.
Set a little less than the device can: what others than attachments send is not counted.`;

export const gcExamples = `  weir gc`;

export const installExamples = `  weir install --network pods --dry-run
  weir install --network pods
  weir install --bin-dir /host/opt/cni/bin --conflist /host/etc/cni/net.d/10-pods.conflist

weir becomes the last plugin of the chain, with the capability that brings the pods' annotations. What a conflist was
before is kept beside it, as FILE.before-weir. Doing it again changes nothing, and a newer weir takes an older one's
place without a moment in which there is none.`;

export const uninstallExamples = `  weir uninstall --dry-run
  weir uninstall
  weir uninstall --network pods

Without a name it goes through all conflists. One that has not changed since is restored byte for byte; of one that has,
only weir's part goes. While pods are shaped the executable stays, since runtimes call it when they end (exit code 1).`;

export const agentExamples = `  weir agent --node-name "$(hostname)" --kubeconfig /etc/kubernetes/kubelet.conf
  weir agent --node-name node-1 --config agent.yaml --metrics-address 127.0.0.1:9464

It runs until SIGTERM and logs JSON; what is shaped stays so when it ends.`;

export const serveExamples = `  weir serve
  weir serve --json

Calls come through named pipes in the folder server-VERSION in the state directory, for root alone. It
answers until SIGTERM, and prints a line for each call. Where it does not run, sees other files than the plugin, or
dies, the plugin does the work itself.`;

export const traceExamples = `  weir trace shop/web-7f9c
  weir trace shop/web-7f9c/net1 --seconds 30
  weir trace --netns blue --device eth0 --json

For each direction it prints how long packets are made to wait, by powers of two, what was dropped, since it would have
waited longer than the horizon, and what was marked. It looks on behind weir's own program, and only until it ends.`;

export const completionExamples = `  source <(weir completion bash)
  weir completion zsh > "\${fpath[1]}/_weir"
  weir completion fish > ~/.config/fish/completions/weir.fish`;
