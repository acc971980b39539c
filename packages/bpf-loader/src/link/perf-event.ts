import { type Fd, ioctl, NotSupportedError, perfEventOpen } from "@weir/syscall";
import { misc } from "../features/misc.js";
import { attachTypeTable } from "../names/tables.js";
import { linkCreatePerfEvent } from "./attributes.js";
import { type AttachableProgram, createLink, LINK_CREATE, tracingCapabilities } from "./create.js";
import { LegacyLink } from "./legacy.js";
import type { BpfLink } from "./link.js";
import { PerfFlag, perfEventAttr } from "./perf-attributes.js";

const PERF_EVENT_IOC_ENABLE = 0x2400;
const PERF_EVENT_IOC_SET_BPF = 0x4004_2408;

/** Attaching to a perf event, whatever made it. */
export interface CookieOptions {
  /** A number that bpf_get_attach_cookie gives to the program, to tell attachments apart; Linux 5.15. */
  readonly cookie?: bigint;
  /** false: without a link, as before Linux 5.15. */
  readonly link?: boolean;
}

/** A perf event to open; the numbers are those of include/uapi/linux/perf_event.h. */
export interface PerfEventOptions extends CookieOptions {
  /** PERF_TYPE_HARDWARE 0, SOFTWARE 1, TRACEPOINT 2, HW_CACHE 3, RAW 4, or a number of /sys/bus/event_source/devices. */
  readonly type: number;
  /** Which event of the type: PERF_COUNT_SW_CPU_CLOCK is 0. */
  readonly config: number | bigint;
  /** Run the program so often a second; or else */
  readonly frequency?: number;
  /** each time after so many events. */
  readonly period?: number | bigint;
  /** A process, -1 for all (the default). */
  readonly pid?: number;
  /** A CPU, -1 for all that the process runs on; 0 if no process is given. */
  readonly cpu?: number;
}

const feature = { name: "links to perf events", since: "5.15", has: () => misc("perf_link") } as const;

/** What {@link BpfProgram.attachPerfEvent} does. */
export function attachPerfEvent(
  program: AttachableProgram,
  event: Fd | PerfEventOptions,
  options: CookieOptions = {},
): BpfLink {
  if (!("config" in event)) return attachToEvent(program, event.duplicate(), event.name, options);
  const { type, config, frequency, period, pid = -1, cpu = pid === -1 ? 0 : -1 } = event;
  if ((frequency === undefined) === (period === undefined))
    throw new RangeError("give either the frequency or the period of a perf event");
  const attr = perfEventAttr.build({
    type,
    size: perfEventAttr.size,
    config,
    samplePeriod: frequency ?? period ?? 0,
    flags: frequency === undefined ? 0n : PerfFlag.FREQUENCY,
  });
  const name = `perf event ${type}/${config}`;
  const fd = perfEventOpen(attr, pid, cpu, -1, 0, `open ${name} for program "${program.name}"`);
  return attachToEvent(program, fd, name, { ...options, ...event });
}

/**
 * Attaches to a perf event and starts it: by a link since 5.15, before that by PERF_EVENT_IOC_SET_BPF.
 * @param event taken over, and closed where this fails
 */
export function attachToEvent(
  program: AttachableProgram,
  event: Fd,
  name: string,
  options: CookieOptions,
): BpfLink {
  const action = `attach program "${program.name}" to ${name}`;
  try {
    const link = options.link === false ? undefined : linkToEvent(program, event, action, options);
    if (link) {
      start(event, action);
      event.close();
      return link;
    }
    if (options.cookie !== undefined)
      throw new NotSupportedError({ feature: "cookies of attachments", since: "5.15" });
    const hint =
      "It takes CAP_PERFMON (CAP_SYS_ADMIN before Linux 5.8), and a program of a type that fits the event.";
    ioctl(event, PERF_EVENT_IOC_SET_BPF, program.fd.number, action, hint);
    start(event, action);
    return new LegacyLink({
      kind: "perf event",
      fd: event,
      linkSince: "5.15",
      // The program goes when the event does, with its last descriptor.
      detach() {
        event.close();
      },
    });
  } catch (error) {
    event.close();
    throw error;
  }
}

function linkToEvent(
  program: AttachableProgram,
  event: Fd,
  action: string,
  options: CookieOptions,
): BpfLink | undefined {
  const attr = linkCreatePerfEvent.build({
    progFd: program.fd.number,
    target: event.number,
    attachType: attachTypeTable.number("perf_event"),
    cookie: options.cookie ?? 0n,
  });
  try {
    return createLink(
      LINK_CREATE,
      attr,
      `perf link of ${program.name}`,
      action,
      tracingCapabilities,
      feature,
    );
  } catch (error) {
    if (error instanceof NotSupportedError && options.link === undefined) return undefined;
    throw error;
  }
}

function start(event: Fd, action: string): void {
  ioctl(event, PERF_EVENT_IOC_ENABLE, 0, action);
}
