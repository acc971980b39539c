export * from "./address.js";
export {
  AttributeSet,
  type AttributesInput,
  type AttributesOf,
  attributes,
  type Declaration,
  type Declarations,
  flagged,
  repeated,
  type UnknownAttribute,
} from "./attributes.js";
export { Input, littleEndian, Output } from "./bytes.js";
export * from "./codec.js";
export * from "./errors.js";
export { indexed, type Keyed, keyed } from "./indexed.js";
export { listed } from "./listed.js";
export {
  decode,
  encode,
  type HeaderAndAttributes,
  type HeaderAndAttributesInput,
  MessageBody,
  message,
} from "./message-body.js";
export { enumeration, type FlagNames, flags, flags64, type Named } from "./names.js";
export {
  array,
  bytes,
  type Data as StructData,
  elements,
  type Fields as StructFields,
  type Padding,
  padding,
  Struct,
  type StructInput,
  type StructValue,
  struct,
  structThenArray,
  wireLength,
} from "./struct.js";
export { type Kinds as SubMessageKinds, SubMessage, subMessage } from "./sub-message.js";
export { string, stringUpTo } from "./text.js";
export { NLA_F_NESTED, NLA_F_NET_BYTEORDER, NLA_TYPE_MASK } from "./tlv.js";
export { uint } from "./uint.js";
