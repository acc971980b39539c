import { MessageFlags, type MessageView } from "../message.js";
import type { NetlinkRequest } from "../request.js";
import { doneUnlessError, RtmType, requestOf, unlessError } from "../rtnetlink/messages.js";
import type { Input } from "../schema/bytes.js";
import type { NetlinkSocket } from "../socket.js";
import type { Action, ActionInput } from "./action.js";
import { actionMessage } from "./action-message.js";

/** NLM_F_ROOT: all of a kind. */
const ROOT = 0x100;

/** Names an action by its kind, such as "police", and its number. */
export interface ActionReference {
  readonly kind: string;
  readonly index: number;
}

/**
 * The actions of a network namespace, with a life of their own: made here, or by filters. Filters share an action by
 * naming its number (`gact("shot", { index: 7 })`), and with it its counters and its rate.
 */
export class Actions {
  readonly #socket: NetlinkSocket;

  constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  /** All actions of a kind, those that filters made among them. */
  *dump(filter: { readonly kind: string }): Iterable<Action> {
    const { kind } = filter;
    const request = requestOf("RTM_GETACTION", `read the ${kind} actions`, actionMessage(), {
      // Without it the kernel ends after 32 actions: net/sched/act_api.c, tcf_dump_walker.
      attributes: { actions: [{ kind }], flags: { value: ["largeDump"], selector: ["largeDump"] } },
    });
    // The answers are numbered as the question is: net/sched/act_api.c, tc_dump_action.
    const select = (_input: Input, { type }: MessageView) =>
      type === RtmType.RTM_GETACTION || type === RtmType.RTM_NEWACTION;
    for (const { attributes } of this.#socket.dump(request, actionMessage(), { select }))
      yield* attributes.actions ?? [];
  }

  /** One action. @throws NetlinkError ENOENT where there is none */
  get(reference: ActionReference): Action {
    const { kind, index } = reference;
    const request = requestOf("RTM_GETACTION", `get the ${kind} action ${index}`, actionMessage(), {
      attributes: { actions: [{ kind, index }] },
    });
    const [action] = this.#socket.get(request, actionMessage()).attributes.actions ?? [];
    if (!action) throw new Error(`could not ${request.action}: the kernel's answer has no action`);
    return action;
  }

  /** One action, or undefined. */
  find(reference: ActionReference): Action | undefined {
    return unlessError(["ENOENT"], () => this.get(reference));
  }

  /**
   * Makes actions: all of them, or none.
   * @returns the actions as the kernel made them, with the numbers that it chose
   * @throws NetlinkError EEXIST where one with that number is there
   */
  add(...actions: readonly ActionInput[]): Action[] {
    return this.#make(addActions(actions));
  }

  /** Makes actions, or changes those that are there, for all filters that share them. */
  replace(...actions: readonly ActionInput[]): Action[] {
    return this.#make(replaceActions(actions));
  }

  /** Removes an action. @throws NetlinkError ENOENT where there is none, EPERM where a filter uses it */
  remove(reference: ActionReference): void {
    this.#socket.acknowledge(removeAction(reference));
  }

  /** Removes an action. @returns false where there was none */
  removeIfPresent(reference: ActionReference): boolean {
    return doneUnlessError(["ENOENT"], () => this.remove(reference));
  }

  /**
   * Removes all actions of a kind, up to the first that a filter uses: there the kernel stops.
   * @returns the kernel's warning, where it left some
   * @throws NetlinkError EPERM where it could remove none
   */
  flush(filter: { readonly kind: string }): string | undefined {
    const { kind } = filter;
    const value = { attributes: { actions: [{ kind }] } };
    return this.#socket.acknowledge(
      requestOf("RTM_DELACTION", `remove all ${kind} actions`, actionMessage(), value, { flags: ROOT }),
    );
  }

  #make(request: NetlinkRequest): Action[] {
    const made: Action[] = [];
    this.#socket.acknowledge(
      { ...request, flags: (request.flags ?? 0) | MessageFlags.ECHO },
      (input, { type, start, end }) => {
        if (type !== RtmType.RTM_NEWACTION) return;
        made.push(...(actionMessage().decode(input, start, end)?.attributes.actions ?? []));
      },
    );
    return made;
  }
}

/** RTM_NEWACTION that makes. */
export function addActions(actions: readonly ActionInput[]): NetlinkRequest {
  return actionRequest("add", MessageFlags.CREATE | MessageFlags.EXCL, actions);
}

/** RTM_NEWACTION that makes or changes. */
export function replaceActions(actions: readonly ActionInput[]): NetlinkRequest {
  return actionRequest("set", MessageFlags.CREATE | MessageFlags.REPLACE, actions);
}

/** RTM_DELACTION. */
export function removeAction({ kind, index }: ActionReference): NetlinkRequest {
  return requestOf("RTM_DELACTION", `remove the ${kind} action ${index}`, actionMessage(), {
    attributes: { actions: [{ kind, index }] },
  });
}

function actionRequest(verb: string, flags: number, actions: readonly ActionInput[]): NetlinkRequest {
  const kinds = actions.map(({ kind }) => kind).join(", ");
  return requestOf(
    "RTM_NEWACTION",
    `${verb} the actions ${kinds}`,
    actionMessage(),
    { attributes: { actions } },
    { flags },
  );
}
