import { test } from "uvu";
import * as assert from "uvu/assert";
import { kernelPackageNames } from "./apt.js";

test("up to 6.12 the kernel is one package", () => {
  // apt-cache depends --recurse --important --no-recommends linux-image-amd64, on bookworm, shortened
  const depends = `linux-image-amd64
  Depends: linux-image-6.1.0-50-amd64
linux-image-6.1.0-50-amd64
  Depends: kmod
  Depends: linux-base
 |Depends: initramfs-tools
  Depends: <linux-initramfs-tool>
kmod
linux-base
<linux-initramfs-tool>
initramfs-tools
`;
  assert.equal(kernelPackageNames(depends), ["linux-image-6.1.0-50-amd64"]);
});

test("from 7.x on the image is a shell around its parts, and all are needed", () => {
  // The same on forky, shortened.
  const depends = `linux-image-amd64
  Depends: linux-base-amd64
  Depends: linux-image-7.2.12+deb14-amd64
linux-base-amd64
  Depends: linux-base-7.2.12+deb14-amd64
linux-image-7.2.12+deb14-amd64
  PreDepends: linux-base
  Depends: linux-binary-7.2.12+deb14-amd64
  Depends: linux-modules-7.2.12+deb14-amd64
linux-base-7.2.12+deb14-amd64
linux-base
linux-binary-7.2.12+deb14-amd64
  Depends: linux-base-7.2.12+deb14-amd64
linux-modules-7.2.12+deb14-amd64
`;
  assert.equal(kernelPackageNames(depends).sort(), [
    "linux-base-7.2.12+deb14-amd64",
    "linux-binary-7.2.12+deb14-amd64",
    "linux-image-7.2.12+deb14-amd64",
    "linux-modules-7.2.12+deb14-amd64",
  ]);
});

test.run();
