import { inspect } from "node:util";

/** By property, how it is read. */
type Readers<Wire> = ReadonlyMap<string | symbol, (wire: Wire) => unknown>;

/** Says how each property of a lazy object is read, in their order. */
export function readersOf<Wire, T extends object>(
  readers: {
    readonly [K in keyof T]-?: (wire: Wire) => T[K];
  },
): Readers<Wire> {
  return new Map(Object.entries(readers)) as Readers<Wire>;
}

/**
 * Reads the properties of an object when they are asked for: subclass it with the bytes to read from. What
 * {@link LazyReader.object} gives behaves like a plain object: copies, comparisons, JSON and printing find all properties, of
 * which each is read once. `structuredClone` alone refuses it; a copy (`{ ...object }`) is a plain object for good.
 */
export abstract class LazyReader<T extends object> implements ProxyHandler<T> {
  /** What has been read and must stay the same object: a name and its value in turns. There are few of them. */
  #known: unknown[] | undefined;

  /** The readers by name. */
  protected abstract get readers(): Readers<this>;

  /** The object. */
  object(): T {
    return new Proxy(new Shell() as T, this);
  }

  /** All that it has, as a plain object: quicker than copying the object. */
  plain(): T {
    const values: Record<string | symbol, unknown> = {};
    for (const [key, reader] of this.readers) values[key] = reader(this);
    return values as T;
  }

  /** Called when everything has been read. */
  protected release(): void {}

  #read(key: string | symbol, reader: (wire: this) => unknown): unknown {
    const known = this.#known;
    if (known !== undefined) {
      const at = known.indexOf(key);
      if (at >= 0) return known[at + 1];
    }
    const value = reader(this);
    if (typeof value === "object" && value !== null) {
      if (known === undefined) this.#known = [key, value];
      else known.push(key, value);
    }
    return value;
  }

  /** Reads everything into the target, which from then on is what it seemed to be: the proxy has no traps any more. */
  #all(target: T): T {
    const values = target as Record<string | symbol, unknown>;
    for (const [key, reader] of this.readers) values[key] = this.#read(key, reader);
    Object.setPrototypeOf(target, Object.prototype);
    this.#known = undefined;
    this.release();
    Object.setPrototypeOf(this, null);
    return target;
  }

  get(target: T, key: string | symbol): unknown {
    const reader = this.readers.get(key);
    return reader === undefined ? target[key as keyof T] : this.#read(key, reader);
  }

  has(target: T, key: string | symbol): boolean {
    return Reflect.has(this.#all(target), key);
  }

  ownKeys(target: T): (string | symbol)[] {
    return Reflect.ownKeys(this.#all(target));
  }

  getOwnPropertyDescriptor(target: T, key: string | symbol): PropertyDescriptor | undefined {
    return Reflect.getOwnPropertyDescriptor(this.#all(target), key);
  }

  getPrototypeOf(target: T): object | null {
    return Reflect.getPrototypeOf(this.#all(target));
  }

  setPrototypeOf(target: T, prototype: object | null): boolean {
    return Reflect.setPrototypeOf(this.#all(target), prototype);
  }

  set(target: T, key: string | symbol, value: unknown): boolean {
    return Reflect.set(this.#all(target), key, value);
  }

  defineProperty(target: T, key: string | symbol, descriptor: PropertyDescriptor): boolean {
    return Reflect.defineProperty(this.#all(target), key, descriptor);
  }

  deleteProperty(target: T, key: string | symbol): boolean {
    return Reflect.deleteProperty(this.#all(target), key);
  }

  preventExtensions(target: T): boolean {
    return Reflect.preventExtensions(this.#all(target));
  }
}

/** Stands for the object until everything has been read. */
class Shell {
  static {
    // For those who compare constructors before they compare what is in the objects.
    Object.defineProperty(Shell.prototype, "constructor", { value: Object });
  }

  /** Printing looks at the target itself, and calls this with the object. */
  [inspect.custom](): object {
    return { ...this };
  }
}
