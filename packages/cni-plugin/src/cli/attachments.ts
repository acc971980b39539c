import type { AttachmentRecord, Shaper } from "@weir/shaper";
import { CommandError } from "./errors.js";

type Named = Pick<AttachmentRecord, "id" | "device" | "pod">;

/** The shortest beginning of an id by which an attachment is found. */
const LEAST_PREFIX = 4;

/** The name by which people know an attachment's pod: NAMESPACE/NAME where that is known, else the attachment's id. */
export function podName({ id, pod }: Named): string {
  return pod ? `${pod.namespace}/${pod.name}` : id;
}

/** The name of one of a pod's interfaces, for a line that says something of it: NAMESPACE/NAME eth0, or the id. */
export function interfaceName(attachment: Named): string {
  return attachment.pod ? `${podName(attachment)} ${attachment.device}` : attachment.id;
}

/**
 * The attachments that somebody means: by id, by the pod (NAMESPACE/NAME or NAME), by the pod and its interface
 * (NAMESPACE/NAME/eth0), or by the beginning of an id.
 * @throws CommandError where there is none, or the name means several pods
 */
export function findAttachments(shaper: Shaper, name: string): AttachmentRecord[] {
  try {
    return choose(shaper.list(), name);
  } catch (error) {
    refuseDamaged(shaper, name);
    throw error;
  }
}

/** The one attachment that somebody means. @throws CommandError where there is none or more than one */
export function findAttachment(shaper: Shaper, name: string): AttachmentRecord {
  const found = findAttachments(shaper, name);
  if (found.length === 1) return found[0]!;
  throw new CommandError(
    `${name} has ${found.length} interfaces that are shaped`,
    `Name one: ${found.map((one) => (one.pod ? `${podName(one)}/${one.device}` : one.id)).join(", ")}.`,
  );
}

/** What {@link findAttachments} does, among these. */
export function choose<T extends Named>(all: readonly T[], name: string): T[] {
  const readings: ((one: T) => boolean)[] = [
    ({ id }) => id === name,
    (one) => one.pod !== undefined && podName(one) === name,
    (one) => one.pod !== undefined && `${podName(one)}/${one.device}` === name,
    ({ pod }) => pod?.name === name,
    ({ id }) => name.length >= LEAST_PREFIX && id.startsWith(name),
  ];
  for (const reading of readings) {
    const found = all.filter(reading);
    // Two containers of the same name are two pods; two interfaces of one container are not.
    const pods = new Set(found.map((one) => (one.pod ? podName(one) : one.id.replace(/\/[^/]*$/, ""))));
    if (pods.size === 1) return found;
    if (pods.size > 1) {
      throw new CommandError(`${JSON.stringify(name)} means several pods`, `Name one: ${list([...pods])}.`);
    }
  }
  throw new CommandError(
    `nothing is shaped under the id or pod name ${JSON.stringify(name)}`,
    "`weir status` lists what is.",
  );
}

/** A record that is damaged is not among those that are listed, but there: throws ShaperError STATE for one. */
function refuseDamaged(shaper: Shaper, name: string): void {
  try {
    shaper.counters(name);
  } catch (error) {
    if ((error as { code?: unknown }).code === "STATE") throw error;
  }
}

function list(names: readonly string[]): string {
  const most = 5;
  const more = names.length > most ? ` and ${names.length - most} more` : "";
  return `${names.slice(0, most).join(", ")}${more}`;
}
