export { CONTAINERDS, Containerd, fetchContainerd } from "./containerd.js";
export { PAUSE_IMAGE } from "./pause-image.js";
export { type Conflist, conflists, installPlugins, weir } from "./plugins.js";
