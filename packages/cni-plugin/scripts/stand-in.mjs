/**
 * What a bundle has in place of an export until somebody touches it.
 * @param {() => object} module loads the module that exports it
 * @param {string} name of the export
 * @param {object} target a function where it is one, else an object: the kind of thing that the stand-in seems to be
 */
export function standIn(module, name, target) {
  return new Proxy(target, {
    get: (_target, key) => Reflect.get(module()[name], key),
    has: (_target, key) => Reflect.has(module()[name], key),
    ownKeys: () => Reflect.ownKeys(module()[name]),
    getOwnPropertyDescriptor: (_target, key) => {
      const found = Reflect.getOwnPropertyDescriptor(module()[name], key);
      return found && { ...found, configurable: true };
    },
    apply: (_target, self, args) => Reflect.apply(module()[name], self, args),
    construct: (_target, args, by) => Reflect.construct(module()[name], args, by),
  });
}
