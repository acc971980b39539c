import { MessageFlags } from "../message.js";
import type { MessageTypes } from "../message-types.js";
import type { Codec } from "../schema/codec.js";
import { CONTROLLER_ID, controller } from "./controller.js";
import { bodyOf, type FamilyDeclaration } from "./family.js";

/** A declared family with the number that this kernel gave it. */
export interface NumberedFamily {
  readonly id: number;
  readonly declaration: FamilyDeclaration;
}

interface NamedBody {
  readonly constant: string;
  readonly attributes: Codec<unknown, never>;
}

/**
 * The messages of generic netlink, for `decodeMessage`. The controller is known; other families have numbers that
 * differ from one machine to the next, and are given here. A message is named by its command's constant.
 */
export function genericMessages(families: readonly NumberedFamily[]): MessageTypes {
  const byId = new Map<number, FamilyDeclaration>([[CONTROLLER_ID, controller as FamilyDeclaration]]);
  for (const { id, declaration } of families) byId.set(id, declaration);
  const find = (type: number, body: Uint8Array, flags: number) => {
    const declaration = byId.get(type);
    const named = declaration && namedBody(declaration, body[0] ?? 0, (flags & MessageFlags.REQUEST) !== 0);
    return named && { declaration, named };
  };
  return {
    nameOf: (type, body, flags = 0) => find(type, body, flags)?.named.constant,
    typeOf: (name) => {
      for (const [id, { commands, notifications }] of byId)
        for (const { constant, replyConstant } of [
          ...Object.values(commands),
          ...(Object.values(notifications ?? {}) as { constant: string; replyConstant?: string }[]),
        ])
          if (constant === name || replyConstant === name) return id;
      return undefined;
    },
    schemaOf: (type, body, flags = 0) => {
      const found = find(type, body, flags);
      return found && (bodyOf(found.declaration, found.named.attributes) as Codec<unknown, never>);
    },
    verbOf: () => "get",
  };
}

function namedBody(
  { commands, notifications }: FamilyDeclaration,
  command: number,
  request: boolean,
): NamedBody | undefined {
  const all = Object.values(commands);
  if (request) {
    const one = all.find(({ id }) => id === command);
    return one && { constant: one.constant, attributes: one.request };
  }
  const answer = all.find(({ id, replyId = id }) => replyId === command);
  if (answer)
    return { constant: answer.replyConstant ?? answer.constant, attributes: answer.reply ?? answer.request };
  return Object.values(notifications ?? {}).find(({ id }) => id === command);
}
