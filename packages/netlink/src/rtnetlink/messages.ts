import { SystemError } from "@weir/syscall";
import type { NetlinkRequest } from "../request.js";
import type { Codec } from "../schema/codec.js";
import { NetlinkEncodeError } from "../schema/errors.js";
import { encode } from "../schema/message-body.js";

/** Types of rtnetlink messages: include/uapi/linux/rtnetlink.h. */
export const RtmType = {
  RTM_NEWLINK: 16,
  RTM_DELLINK: 17,
  RTM_GETLINK: 18,
  RTM_SETLINK: 19,
  RTM_NEWADDR: 20,
  RTM_DELADDR: 21,
  RTM_GETADDR: 22,
  RTM_NEWROUTE: 24,
  RTM_DELROUTE: 25,
  RTM_GETROUTE: 26,
  RTM_NEWNEIGH: 28,
  RTM_DELNEIGH: 29,
  RTM_GETNEIGH: 30,
  RTM_NEWRULE: 32,
  RTM_DELRULE: 33,
  RTM_GETRULE: 34,
  RTM_NEWQDISC: 36,
  RTM_DELQDISC: 37,
  RTM_GETQDISC: 38,
  RTM_NEWTCLASS: 40,
  RTM_DELTCLASS: 41,
  RTM_GETTCLASS: 42,
  RTM_NEWTFILTER: 44,
  RTM_DELTFILTER: 45,
  RTM_GETTFILTER: 46,
  RTM_NEWACTION: 48,
  RTM_DELACTION: 49,
  RTM_GETACTION: 50,
  RTM_NEWPREFIX: 52,
  RTM_NEWMULTICAST: 56,
  RTM_DELMULTICAST: 57,
  RTM_GETMULTICAST: 58,
  RTM_NEWANYCAST: 60,
  RTM_DELANYCAST: 61,
  RTM_GETANYCAST: 62,
  RTM_NEWNEIGHTBL: 64,
  RTM_GETNEIGHTBL: 66,
  RTM_SETNEIGHTBL: 67,
  RTM_NEWNDUSEROPT: 68,
  RTM_NEWADDRLABEL: 72,
  RTM_DELADDRLABEL: 73,
  RTM_GETADDRLABEL: 74,
  RTM_GETDCB: 78,
  RTM_SETDCB: 79,
  RTM_NEWNETCONF: 80,
  RTM_DELNETCONF: 81,
  RTM_GETNETCONF: 82,
  RTM_NEWMDB: 84,
  RTM_DELMDB: 85,
  RTM_GETMDB: 86,
  RTM_NEWNSID: 88,
  RTM_DELNSID: 89,
  RTM_GETNSID: 90,
  RTM_NEWSTATS: 92,
  RTM_GETSTATS: 94,
  RTM_SETSTATS: 95,
  RTM_NEWCACHEREPORT: 96,
  RTM_NEWCHAIN: 100,
  RTM_DELCHAIN: 101,
  RTM_GETCHAIN: 102,
  RTM_NEWNEXTHOP: 104,
  RTM_DELNEXTHOP: 105,
  RTM_GETNEXTHOP: 106,
  RTM_NEWLINKPROP: 108,
  RTM_DELLINKPROP: 109,
  RTM_GETLINKPROP: 110,
  RTM_NEWVLAN: 112,
  RTM_DELVLAN: 113,
  RTM_GETVLAN: 114,
  RTM_NEWNEXTHOPBUCKET: 116,
  RTM_DELNEXTHOPBUCKET: 117,
  RTM_GETNEXTHOPBUCKET: 118,
  RTM_NEWTUNNEL: 120,
  RTM_DELTUNNEL: 121,
  RTM_GETTUNNEL: 122,
} as const;

/** Puts a request together. @throws NetlinkEncodeError whose message says what was to be done */
export function requestOf<In>(
  operation: keyof typeof RtmType,
  action: string,
  schema: Codec<unknown, In>,
  value: In,
  options?: { flags?: number; hint?: (errno: number) => string | undefined },
): NetlinkRequest {
  try {
    const body = encode(schema, value);
    return {
      operation,
      action,
      type: RtmType[operation],
      schema,
      body,
      flags: options?.flags,
      hint: options?.hint,
    };
  } catch (error) {
    if (error instanceof NetlinkEncodeError) error.message = `could not ${action}: ${error.message}`;
    throw error;
  }
}

/** Runs work, and gives undefined where it failed with one of these error names. */
export function unlessError<T>(codes: readonly string[], work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (error instanceof SystemError && codes.includes(error.code)) return undefined;
    throw error;
  }
}

/** Does work. @returns false where it failed with one of these error names */
export function doneUnlessError(codes: readonly string[], work: () => void): boolean {
  const done = () => {
    work();
    return true;
  };
  return unlessError(codes, done) ?? false;
}

/** Resources that a request refers to, which must stay open until it has been sent. */
export class Hold implements Disposable {
  readonly #held: Disposable[] = [];

  use<T extends Disposable>(resource: T): T {
    this.#held.push(resource);
    return resource;
  }

  [Symbol.dispose](): void {
    for (const resource of this.#held.reverse()) resource[Symbol.dispose]();
  }
}

/** A request built while `hold` keeps what it refers to. */
export type Build = (hold: Hold) => NetlinkRequest;
