import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runProgram } from "../process/run.js";

/** Paths of a certificate and its private key, both PEM. */
export interface KeyPair {
  readonly certificate: string;
  readonly key: string;
}

/** Who a certificate is for. */
export interface Subject {
  /** The user's name in Kubernetes, such as "system:node:one". */
  readonly user: string;
  /** The user's groups in Kubernetes, such as "system:nodes". */
  readonly groups?: readonly string[];
  /** For a server: the names and addresses at which it is reached. */
  readonly hosts?: readonly string[];
}

/** A certificate authority that lives as long as its folder: openssl(1) with elliptic curves, which takes milliseconds. */
export class CertificateAuthority {
  readonly #folder: string;
  readonly #own: KeyPair;

  private constructor(folder: string, own: KeyPair) {
    this.#folder = folder;
    this.#own = own;
  }

  /** @param folder for all of its keys, readable by this user alone; made */
  static async create(folder: string): Promise<CertificateAuthority> {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    // The system's own configuration would add extensions of its own.
    writeFileSync(configuration(folder), "[req]\ndistinguished_name = subject\n[subject]\n");
    const own = { certificate: join(folder, "ca.crt"), key: join(folder, "ca.key") };
    await make(folder, own, "/CN=weir test cluster", [
      "basicConstraints=critical,CA:TRUE",
      "keyUsage=critical,keyCertSign",
    ]);
    return new CertificateAuthority(folder, own);
  }

  /** The path of the authority's own certificate. */
  get certificate(): string {
    return this.#own.certificate;
  }

  /** Issues a certificate, valid for a day. @param name of its files */
  async issue(name: string, { user, groups = [], hosts = [] }: Subject): Promise<KeyPair> {
    const pair = { certificate: join(this.#folder, `${name}.crt`), key: join(this.#folder, `${name}.key`) };
    const escaped = (text: string) => text.replace(/[/+\\]/g, "\\$&");
    const subject = `${groups.map((group) => `/O=${escaped(group)}`).join("")}/CN=${escaped(user)}`;
    const names = hosts.map((host) => (/^[\d.]+$|:/.test(host) ? `IP:${host}` : `DNS:${host}`));
    const extensions = [
      "basicConstraints=critical,CA:FALSE",
      "keyUsage=critical,digitalSignature",
      "extendedKeyUsage=clientAuth,serverAuth",
      ...(names.length > 0 ? [`subjectAltName=${names.join(",")}`] : []),
    ];
    await make(this.#folder, pair, subject, extensions, this.#own);
    return pair;
  }
}

const configuration = (folder: string): string => join(folder, "openssl.cnf");

async function make(
  folder: string,
  pair: KeyPair,
  subject: string,
  extensions: readonly string[],
  issuer?: KeyPair,
): Promise<void> {
  await runProgram("openssl", [
    ...["req", "-x509", "-config", configuration(folder), "-days", "1", "-subj", subject],
    ...["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc"],
    ...["-keyout", pair.key, "-out", pair.certificate],
    ...(issuer ? ["-CA", issuer.certificate, "-CAkey", issuer.key] : []),
    ...extensions.flatMap((extension) => ["-addext", extension]),
  ]);
}
