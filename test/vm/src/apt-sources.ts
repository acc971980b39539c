/** A place that apt fetches binary packages from: one line of sources.list. */
export interface AptSource {
  readonly uri: string;
  readonly suite: string;
  readonly components: readonly string[];
  /** What `signed-by` says: keyring files, fingerprints, or a key itself as an armoured block. */
  readonly signedBy?: string;
  /** Whether the source is trusted without a signature (`trusted=yes`). */
  readonly trusted: boolean;
}

/** Suites of Debian's main archive; updates, security and backports have other names. */
const DEBIAN_SUITES = new Set([
  ..."stretch buster bullseye bookworm trixie forky duke sid".split(" "),
  ..."oldoldstable oldstable stable testing unstable".split(" "),
]);

/** Reads a file in apt's one-line format (sources.list(5)). Lines that are not `deb` lines are skipped. */
export function parseOneLineSources(text: string): AptSource[] {
  const sources: AptSource[] = [];
  for (const raw of text.split("\n")) {
    const line = raw.replace(/#.*/, "").trim();
    const match = /^deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s*(.*)$/.exec(line);
    if (!match) continue;
    const [, options = "", uri = "", suite = "", components = ""] = match;
    const values = new Map(words(options).map((option) => splitOnce(option, "=")));
    const architectures = values.get("arch")?.split(",");
    if (architectures && !architectures.includes("amd64")) continue;
    sources.push(makeSource(uri, suite, words(components), values.get("signed-by"), values.get("trusted")));
  }
  return sources;
}

/** Reads a file in apt's deb822 format (sources.list(5)). Disabled stanzas and those without `deb` are skipped. */
export function parseDeb822Sources(text: string): AptSource[] {
  return text
    .split(/\n[ \t]*\n/)
    .map(parseStanza)
    .filter((fields) => words(fields.get("types")).includes("deb"))
    .filter((fields) => !/^(no|false|0)$/i.test(fields.get("enabled") ?? ""))
    .filter((fields) => !fields.has("architectures") || words(fields.get("architectures")).includes("amd64"))
    .flatMap((fields) =>
      words(fields.get("uris")).flatMap((uri) =>
        words(fields.get("suites")).map((suite) =>
          makeSource(
            uri,
            suite,
            words(fields.get("components")),
            fields.get("signed-by"),
            fields.get("trusted"),
          ),
        ),
      ),
    );
}

/** The source to fetch another Debian release's kernel from: the first that holds Debian's main archive. */
export function debianMirror(sources: readonly AptSource[]): AptSource | undefined {
  return sources.find(
    ({ uri, suite, components }) =>
      DEBIAN_SUITES.has(suite) && components.includes("main") && !uri.startsWith("cdrom:"),
  );
}

/** A deb822 file for one suite on the same mirror, with the same keys, of packages or of what they are built from. */
export function sourceFor(mirror: AptSource, suite: string, type: "deb" | "deb-src" = "deb"): string {
  return [
    `Types: ${type}`,
    `URIs: ${mirror.uri}`,
    `Suites: ${suite}`,
    "Components: main",
    "Architectures: amd64",
    ...(mirror.signedBy ? [`Signed-By: ${mirror.signedBy}`] : []),
    ...(mirror.trusted ? ["Trusted: yes"] : []),
    "",
  ].join("\n");
}

function makeSource(
  uri: string,
  suite: string,
  components: readonly string[],
  signedBy?: string,
  trusted?: string,
): AptSource {
  return { uri, suite, components, ...(signedBy ? { signedBy } : {}), trusted: /^yes$/i.test(trusted ?? "") };
}

/** Field names in lower case; a value's continuation lines are kept as they are, for a key given in full. */
function parseStanza(stanza: string): Map<string, string> {
  const fields = new Map<string, string>();
  let last = "";
  for (const line of stanza.split("\n")) {
    if (line.startsWith("#")) continue;
    if (/^[ \t]/.test(line)) {
      fields.set(last, `${fields.get(last) ?? ""}\n${line}`);
    } else if (line.includes(":")) {
      const [name, value] = splitOnce(line, ":");
      last = name.toLowerCase();
      fields.set(last, value.trim());
    }
  }
  return fields;
}

function words(text = ""): string[] {
  return text.split(/\s+/).filter(Boolean);
}

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + separator.length)];
}
