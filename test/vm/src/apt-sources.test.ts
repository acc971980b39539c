import { test } from "uvu";
import * as assert from "uvu/assert";
import { debianMirror, parseDeb822Sources, parseOneLineSources, sourceFor } from "./apt-sources.js";

test("a deb822 file gives one source for each address and suite", () => {
  const sources = parseDeb822Sources(`Types: deb
# A comment between fields.
URIs: http://mirror.example/debian http://other.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb deb-src
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
`);
  assert.equal(
    sources.map(({ uri, suite }) => `${uri} ${suite}`),
    [
      "http://mirror.example/debian bookworm",
      "http://mirror.example/debian bookworm-updates",
      "http://other.example/debian bookworm",
      "http://other.example/debian bookworm-updates",
      "http://mirror.example/debian-security bookworm-security",
    ],
  );
  assert.equal(sources[0]?.components, ["main", "contrib"]);
  assert.is(sources[0]?.signedBy, "/usr/share/keyrings/debian-archive-keyring.gpg");
  assert.is(sources[4]?.signedBy, undefined);
});

test("disabled stanzas, source packages and other architectures are left out", () => {
  const stanza = "URIs: http://mirror.example/debian\nSuites: bookworm\nComponents: main\n";
  for (const field of [
    "Types: deb-src",
    "Types: deb\nEnabled: no",
    "Types: deb\nArchitectures: arm64 armhf",
  ]) {
    assert.equal(parseDeb822Sources(`${field}\n${stanza}`), [], field);
  }
  assert.is(parseDeb822Sources(`Types: deb\nEnabled: yes\nArchitectures: arm64 amd64\n${stanza}`).length, 1);
});

test("a key that a deb822 file holds in full reaches the derived source unchanged", () => {
  const key = " -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mDMEYyb\n -----END PGP PUBLIC KEY BLOCK-----";
  const text = `Types: deb\nURIs: http://mirror.example/debian\nSuites: bookworm\nComponents: main\nSigned-By:\n${key}\n`;
  const [source] = parseDeb822Sources(text);
  const [derived] = parseDeb822Sources(sourceFor(source!, "trixie"));
  assert.is(derived?.signedBy, `\n${key}`);
  assert.is(derived?.suite, "trixie");
});

test("the one-line format gives the same, with its options", () => {
  const sources = parseOneLineSources(`
# deb http://old.example/debian bullseye main
deb [arch=amd64,arm64 signed-by=/etc/apt/keyrings/debian.gpg trusted=yes] http://mirror.example/debian bookworm main contrib # mine
deb-src http://mirror.example/debian bookworm main
deb [ arch=arm64 ] http://mirror.example/debian trixie main
deb http://mirror.example/debian-security bookworm-security main
`);
  assert.equal(sources, [
    {
      uri: "http://mirror.example/debian",
      suite: "bookworm",
      components: ["main", "contrib"],
      signedBy: "/etc/apt/keyrings/debian.gpg",
      trusted: true,
    },
    {
      uri: "http://mirror.example/debian-security",
      suite: "bookworm-security",
      components: ["main"],
      trusted: false,
    },
  ]);
});

test("the mirror is the first source of Debian's main archive", () => {
  const sources = parseOneLineSources(`
deb http://packages.example/node nodistro main
deb cdrom:[Debian]/ bookworm main
deb http://mirror.example/debian-security bookworm-security main
deb http://mirror.example/debian bookworm-updates main
deb http://mirror.example/debian bookworm contrib
deb http://mirror.example/debian stable contrib main
deb http://second.example/debian bookworm main
`);
  assert.is(debianMirror(sources)?.uri, "http://mirror.example/debian");
  assert.is(debianMirror(sources.slice(0, 5)), undefined);
});

test.run();
