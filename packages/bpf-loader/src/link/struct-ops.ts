import { BpfCommand, type Fd, tryBpf } from "@weir/syscall";
import { mapElement } from "../kernel/attributes.js";
import { bpfError } from "../kernel/call.js";
import { attachTypeTable } from "../names/tables.js";
import { linkCreate } from "./attributes.js";
import { createLink, LINK_CREATE, networkCapabilities } from "./create.js";
import { LegacyLink } from "./legacy.js";
import type { BpfLink } from "./link.js";

/** BPF_F_LINK: the map is registered by a link, not by its update. */
const MAP_LINK = 1 << 13;

/** A struct_ops map whose value holds the programs: what {@link attachStructOps} takes. */
export interface StructOpsMap {
  readonly fd: Fd;
  readonly name: string;
  /** As it was created. */
  readonly flags: number;
  /** The value to register: the kernel's struct with program descriptors in place of functions. */
  readonly value: Uint8Array;
}

/**
 * Registers the operations of a struct_ops map with the kernel. A map created with BPF_F_LINK (section
 * .struct_ops.link; Linux 6.4) is registered by a link; any other when its value is set, until the value is deleted.
 * @throws SystemError
 */
export function attachStructOps(map: StructOpsMap): BpfLink {
  setValue(map);
  const action = `register the operations of map "${map.name}"`;
  if (map.flags & MAP_LINK) {
    const attr = linkCreate.build({
      progFd: map.fd.number,
      attachType: attachTypeTable.number("struct_ops"),
    });
    return createLink(LINK_CREATE, attr, `struct_ops link of ${map.name}`, action, networkCapabilities, {
      name: "struct_ops links",
      since: "6.4",
    });
  }
  return new LegacyLink({
    kind: "struct_ops",
    fd: map.fd.duplicate(),
    detach() {
      const attr = mapElement.build({ mapFd: map.fd.number, key: new Uint8Array(4) });
      const result = tryBpf(BpfCommand.MAP_DELETE_ELEM, attr);
      if (result < 0)
        throw bpfError(
          BpfCommand.MAP_DELETE_ELEM,
          -result,
          `unregister the operations of map "${map.name}"`,
          networkCapabilities,
        );
    },
  });
}

function setValue(map: StructOpsMap): void {
  const attr = mapElement.build({ mapFd: map.fd.number, key: new Uint8Array(4), value: map.value });
  const result = tryBpf(BpfCommand.MAP_UPDATE_ELEM, attr);
  if (result >= 0) return;
  throw bpfError(
    BpfCommand.MAP_UPDATE_ELEM,
    -result,
    `set the operations of map "${map.name}"`,
    networkCapabilities,
  );
}
