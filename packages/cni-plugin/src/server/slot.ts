import { closeSync, constants, existsSync, mkdirSync, openSync, renameSync, rmSync } from "node:fs";
import { Socket } from "node:net";
import { basename, dirname, join } from "node:path";
import { makeNamedPipe } from "@weir/syscall";
import { MAX_CALL_BYTES, PATIENCE_SECONDS, parseCall, type WireCall } from "./wire.js";

/**
 * Room for one call: a folder with two named pipes, `call` and `reply`. A caller makes it its own by creating the file
 * `taken` in it, which only one can. The server holds both pipes open for reading and writing as long as it lives, so
 * that a caller finds out by the end of the file that it does not.
 */
export class Slot {
  readonly #folder: string;
  readonly #call: Socket;
  readonly #reply: number;
  #heard = false;
  #suspect = false;

  /**
   * @param folder is made for it, in one step for those who look for slots, as it is removed
   * @param receive is given the call, once, when it is whole; undefined in place of one that is too long
   */
  constructor(folder: string, receive: (call: WireCall | undefined) => void) {
    this.#folder = folder;
    const draft = hidden(folder);
    mkdirSync(draft, { mode: 0o700 });
    this.#call = new Socket({ fd: openPipe(join(draft, "call")), readable: true, writable: false });
    this.#reply = openPipe(join(draft, "reply"));
    renameSync(draft, folder);
    let bytes = Buffer.alloc(0);
    this.#call.on("data", (chunk) => {
      if (this.#heard) return;
      bytes = Buffer.concat([bytes, chunk]);
      const call = parseCall(bytes);
      if (!call && bytes.length <= MAX_CALL_BYTES) return;
      this.#heard = true;
      receive(call);
    });
  }

  /** Whether a call has arrived. */
  get heard(): boolean {
    return this.#heard;
  }

  /** Whether its caller took it and then sent nothing, from one look at it to the next: it must have died. */
  isAbandoned(): boolean {
    if (this.#heard) return false;
    const before = this.#suspect;
    this.#suspect = existsSync(join(this.#folder, "taken"));
    return before && this.#suspect;
  }

  /** Sends the reply and ends the slot. A caller that is there no longer does not hold it up for ever. */
  answer(text: string): Promise<void> {
    this.#forget();
    const socket = new Socket({ fd: this.#reply, readable: false, writable: true });
    return new Promise((resolve) => {
      const timer = setTimeout(() => socket.destroy(), PATIENCE_SECONDS * 1000);
      socket.on("error", () => socket.destroy());
      socket.on("close", () => {
        clearTimeout(timer);
        resolve();
      });
      // Not end(), which would call shutdown(2), and that is for sockets.
      socket.write(text, () => socket.destroy());
    });
  }

  /** Ends the slot. A caller that has it is told so by the end of the file. */
  discard(): void {
    this.#forget();
    closeSync(this.#reply);
  }

  #forget(): void {
    this.#call.destroy();
    // A caller that creates a file in it meanwhile would keep the folder from being removed.
    const rest = hidden(this.#folder);
    try {
      renameSync(this.#folder, rest);
    } catch (error) {
      // Another server, which took over, has cleared up after this one.
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
    rmSync(rest, { recursive: true, force: true });
  }
}

/** A name by which nobody finds a slot's folder. */
function hidden(folder: string): string {
  return join(dirname(folder), `.${basename(folder)}`);
}

/** Opened for both ways, a named pipe waits for no other end, and stays when the other end goes. */
function openPipe(path: string): number {
  makeNamedPipe(path);
  return openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
}
