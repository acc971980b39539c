/** A network card. */
interface Model {
  readonly device: string;
  readonly drivers: readonly string[];
  /** The release of QEMU that brought it, where any that weir runs on may lack it. */
  readonly qemu?: number;
}

/** The network cards that a guest can be given, and what QEMU and Linux call them. */
const models = {
  /** Paravirtual, with one queue. */
  virtio: { device: "virtio-net-pci", drivers: ["virtio_net"] },
  /** With as many transmit queues as there are processors, up to 8, as hardware has them: its root qdisc is mq. */
  vmxnet3: { device: "vmxnet3", drivers: ["vmxnet3"] },
  /** Intel's 82576, which has up to 7 virtual functions (SR-IOV). */
  igb: { device: "igb", drivers: ["igb", "igbvf"], qemu: 8 },
} as const satisfies Record<string, Model>;

/** A network card's model. */
export type NicModel = keyof typeof models;

/** The names of all models. */
export const nicModels = Object.keys(models) as NicModel[];

/** The address of a network card, by its number. */
export function nicAddress(index: number): string {
  return `52:54:00:77:65:${(index + 1).toString(16).padStart(2, "0")}`;
}

/** The modules of Linux that drive these cards. */
export function nicDrivers(nics: readonly NicModel[]): string[] {
  return [...new Set(nics.flatMap((model) => models[model].drivers))];
}

/** The oldest release of QEMU that has these cards; undefined where each has. */
export function oldestQemu(nics: readonly NicModel[]): number | undefined {
  const releases = nics.flatMap((model) => (models[model] as Model).qemu ?? []);
  return releases.length > 0 ? Math.max(...releases) : undefined;
}

/**
 * QEMU's options for network cards. Each two are joined by a wire, the first with the second and so on; nothing else is
 * behind them, least of all the host.
 * @throws RangeError for a model that there is none of, and for cards that are no pairs
 */
export function nicArguments(nics: readonly NicModel[]): string[] {
  const unknown = nics.find((model) => !Object.hasOwn(models, model));
  if (unknown !== undefined) {
    throw new RangeError(`no network card is called "${unknown}": there are ${nicModels.join(", ")}`);
  }
  if (nics.length % 2 !== 0) {
    throw new RangeError(`${nics.length} network cards cannot be joined two by two`);
  }
  return nics.flatMap((model, index) => [
    ...["-netdev", `hubport,id=nic${index},hubid=${index >> 1}`],
    // A card can have virtual functions only behind a port of its own.
    ...["-device", `pcie-root-port,id=port${index},chassis=${index + 1}`],
    // Nobody boots from them: without a ROM that may not be installed.
    ...[
      "-device",
      `${models[model].device},bus=port${index},netdev=nic${index},mac=${nicAddress(index)},romfile=`,
    ],
  ]);
}
