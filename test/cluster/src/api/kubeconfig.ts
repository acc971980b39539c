import { readFileSync, writeFileSync } from "node:fs";
import type { KeyPair } from "./certificates.js";

/** How a client shows who it is. */
export type Credentials = KeyPair | { readonly token: string };

/** Writes a kubeconfig with everything in it, readable by this user alone. JSON is YAML. */
export function writeKubeconfig(
  path: string,
  options: { server: string; authority: string; credentials: Credentials },
): void {
  const { server, authority, credentials } = options;
  const inline = (file: string) => readFileSync(file).toString("base64");
  const user =
    "token" in credentials
      ? { token: credentials.token }
      : {
          "client-certificate-data": inline(credentials.certificate),
          "client-key-data": inline(credentials.key),
        };
  const config = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "test", cluster: { server, "certificate-authority-data": inline(authority) } }],
    users: [{ name: "test", user }],
    contexts: [{ name: "test", context: { cluster: "test", user: "test" } }],
    "current-context": "test",
  };
  writeFileSync(path, JSON.stringify(config, null, 2), { mode: 0o600 });
}
