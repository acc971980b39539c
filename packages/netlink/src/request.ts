import type { Codec } from "./schema/codec.js";

/** A request, ready to be sent. */
export interface NetlinkRequest {
  /** The message type's name, such as "RTM_NEWLINK": for errors. */
  readonly operation: string;
  /** What is being done, as it reads after "could not": 'add link "ipvl0"'. */
  readonly action: string;
  /** nlmsg_type. */
  readonly type: number;
  /** nlmsg_flags without NLM_F_REQUEST, NLM_F_ACK and NLM_F_DUMP, which the socket adds. */
  readonly flags?: number | undefined;
  /** What follows the header. */
  readonly body: Uint8Array;
  /** How the body reads, so that an error can name the attribute that the kernel objects to. */
  readonly schema?: Codec<unknown, never> | undefined;
  /** A sentence that says what to try after an error of that number. */
  readonly hint?: ((errno: number) => string | undefined) | undefined;
}
