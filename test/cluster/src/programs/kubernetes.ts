import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { cacheFolder, fetchPackages, fetchSource, type Progress, withLock } from "@weir/test-vm";
import { runProgram } from "../process/run.js";

/** The release that Debian bookworm has the source of; the last that it has whole, with all that it is built from. */
export const KUBERNETES_VERSION = "v1.20.2";

const COMPILER = ["golang-1.19-go", "golang-1.19-src"];
const NAMES = ["kube-apiserver", "kubelet"] as const;

/** Paths of the programs. */
export type KubernetesPrograms = Record<(typeof NAMES)[number], string>;

/**
 * Builds the API server and the kubelet from Debian's source package with Debian's Go, both unpacked into the cache and
 * installed nowhere. The first call takes some minutes of two processors' time, which it leaves to others where
 * they want it, and 1 GB of disk while it lasts; an interrupted one is taken up again by the next.
 */
export async function buildKubernetes(progress: Progress = () => {}): Promise<KubernetesPrograms> {
  const cluster = join(cacheFolder(), "cluster");
  const folder = join(cluster, `kubernetes-${KUBERNETES_VERSION}`);
  const programs = Object.fromEntries(NAMES.map((name) => [name, join(folder, name)])) as KubernetesPrograms;
  if (existsSync(folder)) return programs;
  mkdirSync(cluster, { recursive: true });
  const waiting = (): void => progress("waiting for another process to build Kubernetes");
  await withLock(join(cluster, "kubernetes.lock"), waiting, async () => {
    if (existsSync(folder)) return;
    const source = await fetchSource("bookworm", "kubernetes", { progress });
    const go = join(await fetchPackages("bookworm", COMPILER, { progress }), "usr/lib/go-1.19");
    const work = join(cluster, "building");
    await build({ source, go, work, progress });
    renameSync(join(work, "bin"), folder);
    rmSync(work, { recursive: true, force: true });
  });
  return programs;
}

/** Fills `work/bin`. */
async function build(options: {
  source: string;
  go: string;
  work: string;
  progress: Progress;
}): Promise<void> {
  const { source, go, work, progress } = options;
  const tree = join(work, "src/k8s.io/kubernetes");
  const bin = join(work, "bin");
  mkdirSync(bin, { recursive: true });
  if (!existsSync(join(tree, "cmd"))) {
    const copy = `${tree}.copying`;
    rmSync(copy, { recursive: true, force: true });
    // The tree's links to its own parts are relative, and have to stay so.
    cpSync(source, copy, { recursive: true, verbatimSymlinks: true });
    renameSync(copy, tree);
  }
  const env = {
    PATH: process.env.PATH,
    HOME: work,
    GOROOT: go,
    GOPATH: work,
    GOCACHE: join(work, "cache"),
    GO111MODULE: "off",
    CGO_ENABLED: "0",
  };
  const compile = async (output: string, what: string): Promise<void> => {
    const flags = [
      // Without clouds and without Docker it takes half the time.
      ...["-tags", "providerless,dockerless", "-trimpath", "-o", output],
      ...["-ldflags", `-s -w ${versionFlags().join(" ")}`],
    ];
    await runProgram("nice", ["-n", "19", join(go, "bin/go"), "build", ...flags, what], { cwd: tree, env });
  };
  const generated = join(tree, "pkg/generated/openapi/zz_generated.openapi.go");
  if (!existsSync(generated)) {
    progress("generating the API's description");
    await compile(join(work, "openapi-gen"), "./vendor/k8s.io/kube-openapi/cmd/openapi-gen");
    await describeApi(tree, work, env);
  }
  for (const name of NAMES) {
    if (existsSync(join(bin, name))) continue;
    progress(`building ${name} of Kubernetes ${KUBERNETES_VERSION} (minutes)`);
    await compile(join(work, name), `./cmd/${name}`);
    renameSync(join(work, name), join(bin, name));
  }
}

/** What hack/lib/version.sh of the tree would tell the linker, so that clients learn which release this is. */
function versionFlags(): string[] {
  const [major, minor] = KUBERNETES_VERSION.slice(1).split(".");
  const values = { gitVersion: KUBERNETES_VERSION, gitMajor: major, gitMinor: minor };
  return ["component-base/version", "client-go/pkg/version"].flatMap((name) =>
    Object.entries(values).map(
      ([key, value]) => `-X k8s.io/kubernetes/vendor/k8s.io/${name}.${key}=${value}`,
    ),
  );
}

/**
 * Writes the one generated file that the source does not hold, as Makefile.generated_files of the tree does: types that
 * ask for it by a comment are described for the API's clients.
 */
async function describeApi(tree: string, work: string, env: NodeJS.ProcessEnv): Promise<void> {
  const parts = readdirSync(join(tree, "vendor/k8s.io")).filter(
    (name) => name !== "code-generator" && name !== "sample-apiserver",
  );
  const folders = ["pkg", "cmd", "plugin", ...parts.map((name) => `vendor/k8s.io/${name}`)];
  const asking = new Set(folders.flatMap((folder) => [...packagesAsking(join(tree, folder))]));
  const names = [...asking].map((folder) => `k8s.io/kubernetes/${relative(tree, folder)}`).sort();
  await runProgram(
    "nice",
    [
      ...["-n", "19", join(work, "openapi-gen"), "--logtostderr", "--input-dirs", names.join(",")],
      ...["--output-package", "k8s.io/kubernetes/pkg/generated/openapi"],
      ...["--output-file-base", "zz_generated.openapi"],
      ...["--go-header-file", "vendor/k8s.io/code-generator/hack/boilerplate.go.txt"],
      ...["--report-filename", join(work, "violations")],
    ],
    { cwd: tree, env: { ...env, PATH: `${join(env.GOROOT!, "bin")}:${env.PATH}` } },
  );
}

/** The folders below one whose types are to be described. */
function* packagesAsking(folder: string): Generator<string> {
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !entry.name.endsWith(".go")) continue;
    const path = join(entry.parentPath ?? entry.path, entry.name);
    if (/^ *\/\/ \+k8s:openapi-gen=/m.test(readFileSync(path, "utf8"))) yield dirname(path);
  }
}
