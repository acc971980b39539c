import { fileURLToPath } from "node:url";
import { type Client, credentials, loadPackageDefinition, type ServiceError } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

/** A sandbox as the runtime has made it. */
export interface Sandbox {
  id: string;
  /** Its address, as CNI gave it. */
  address: string;
  /** The path of its network namespace. */
  netns: string;
}

/** What a kubelet asks a container runtime for: the container runtime interface over a socket. */
export class Cri implements Disposable {
  readonly #runtime: Client;
  readonly #images: Client;

  /** @param socket the path of the runtime's socket */
  constructor(socket: string) {
    const proto = loadSync(fileURLToPath(new URL("../../proto/cri.proto", import.meta.url)), {
      defaults: true,
      longs: Number,
    });
    const { runtime } = loadPackageDefinition(proto) as unknown as {
      runtime: { v1: Record<string, new (address: string, secret: unknown) => Client> };
    };
    const { RuntimeService, ImageService } = runtime.v1;
    this.#runtime = new RuntimeService!(`unix://${socket}`, credentials.createInsecure());
    this.#images = new ImageService!(`unix://${socket}`, credentials.createInsecure());
  }

  async version(): Promise<string> {
    const { runtimeName, runtimeVersion } = await call(this.#runtime, "Version", {});
    return `${runtimeName} ${runtimeVersion}`;
  }

  /** The condition NetworkReady: why pods cannot have a network, or "" where they can. */
  async networkProblem(): Promise<string> {
    const { status } = (await call(this.#runtime, "Status", {})) as {
      status: { conditions: { type: string; status: boolean; reason: string; message: string }[] };
    };
    const ready = status.conditions.find(({ type }) => type === "NetworkReady");
    return ready?.status ? "" : `${ready?.reason}: ${ready?.message}`;
  }

  async hasImage(image: string): Promise<boolean> {
    const { image: found } = await call(this.#images, "ImageStatus", { image: { image } });
    return found !== null;
  }

  /** Makes a pod as a kubelet does. @throws what the runtime says where it cannot */
  async runPod(name: string, annotations: Record<string, string>, handler: string): Promise<Sandbox> {
    const metadata = { name, uid: `uid-${name}`, namespace: "default", attempt: 0 };
    const config = { metadata, hostname: name, annotations, linux: {} };
    const { podSandboxId: id } = await call(this.#runtime, "RunPodSandbox", {
      config,
      runtimeHandler: handler,
    });
    const status = (await call(this.#runtime, "PodSandboxStatus", { podSandboxId: id, verbose: true })) as {
      status: { network: { ip: string } };
      info: Record<string, string>;
    };
    return { id: id as string, address: status.status.network.ip, netns: netnsOf(status.info.info!) };
  }

  /** The ids of all sandboxes, whoever made them. */
  async sandboxes(): Promise<string[]> {
    const { items } = await call(this.#runtime, "ListPodSandbox", {});
    return ((items ?? []) as { id: string }[]).map(({ id }) => id);
  }

  async removePod(podSandboxId: string): Promise<void> {
    await call(this.#runtime, "StopPodSandbox", { podSandboxId });
    await call(this.#runtime, "RemovePodSandbox", { podSandboxId });
  }

  [Symbol.dispose](): void {
    this.#runtime.close();
    this.#images.close();
  }
}

/** The runtime's own words about a sandbox hold the OCI specification that it was made from. */
function netnsOf(info: string): string {
  const { runtimeSpec } = JSON.parse(info) as {
    runtimeSpec: { linux: { namespaces: { type: string; path?: string }[] } };
  };
  return runtimeSpec.linux.namespaces.find(({ type }) => type === "network")?.path ?? "";
}

type Method = (
  request: object,
  options: { deadline: number },
  reply: (error: ServiceError | null, response: Record<string, unknown>) => void,
) => void;

/** A guest that is emulated takes seconds for a sandbox; beyond this it hangs. */
const DEADLINE_MS = 120_000;

function call(client: Client, method: string, request: object): Promise<Record<string, unknown>> {
  const methods = client as unknown as Record<string, Method>;
  return new Promise((resolve, reject) => {
    methods[method]!.call(client, request, { deadline: Date.now() + DEADLINE_MS }, (error, response) =>
      error ? reject(error) : resolve(response),
    );
  });
}
