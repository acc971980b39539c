/** Bytes that are no well-formed netlink message. */
export class NetlinkDecodeError extends Error {
  readonly code = "ERR_NETLINK_DECODE";
  /** Where the fault lies, in bytes from the start of what was decoded. */
  readonly offset: number;
  /** What is wrong, without the place. */
  readonly reason: string;
  /** The attribute in which the fault lies, outermost first: "linkinfo.data"; empty at the top. */
  path: string;

  constructor(reason: string, offset: number) {
    super(`${reason} at byte ${offset}`);
    this.name = "NetlinkDecodeError";
    this.reason = reason;
    this.offset = offset;
    this.path = "";
  }

  /** Puts the attribute that holds the fault in front of the path, as the error passes through it. */
  within(name: string): this {
    this.path = this.path ? `${name}.${this.path}` : name;
    this.message = `${this.reason} at byte ${this.offset}, in ${this.path}`;
    return this;
  }
}

/** A value that its attribute or field cannot hold. */
export class NetlinkEncodeError extends Error {
  readonly code = "ERR_NETLINK_ENCODE";
  /** What is wrong, without the place. */
  readonly reason: string;
  /** The attribute or field that cannot hold its value, outermost first: "linkinfo.data.mode". */
  path: string;

  constructor(reason: string, options?: { cause?: unknown }) {
    super(reason, options);
    this.name = "NetlinkEncodeError";
    this.reason = reason;
    this.path = "";
  }

  /** Puts the attribute that holds the fault in front of the path, as the error passes through it. */
  within(name: string): this {
    this.path = this.path ? `${name}.${this.path}` : name;
    this.message = `${this.path}: ${this.reason}`;
    return this;
  }
}
