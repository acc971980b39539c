/**
 * Reads depmod's `modules.dep`: for each module file (relative to the modules folder) the files it needs.
 * Lines that are not of the form `FILE: FILE...` are skipped.
 */
export function parseModulesDep(text: string): Map<string, readonly string[]> {
  const dependencies = new Map<string, readonly string[]>();
  for (const line of text.split("\n")) {
    const colon = line.indexOf(":");
    if (colon <= 0) continue;
    dependencies.set(
      line.slice(0, colon),
      line
        .slice(colon + 1)
        .split(" ")
        .filter(Boolean),
    );
  }
  return dependencies;
}

/** A module's name from its file: `kernel/net/9p/9pnet_virtio.ko.xz` is `9pnet_virtio`. */
export function moduleName(file: string): string {
  return file
    .replace(/^.*\//, "")
    .replace(/\.ko(\.\w+)?$/, "")
    .replaceAll("-", "_");
}

/**
 * The files to load, in order, so that each of `names` can be loaded: every file comes after all that it needs,
 * and once. Names that are compiled into the kernel (`builtin`: the lines of `modules.builtin`) need no file.
 *
 * @throws Error when a name is neither a module nor built in.
 */
export function loadOrder(
  names: readonly string[],
  dependencies: ReadonlyMap<string, readonly string[]>,
  builtin: readonly string[],
): string[] {
  const fileOf = new Map([...dependencies.keys()].map((file) => [moduleName(file), file]));
  const compiledIn = new Set(builtin.filter(Boolean).map(moduleName));
  const order = new Set<string>();
  const visit = (file: string, path: readonly string[]): void => {
    if (order.has(file) || path.includes(file)) return;
    for (const needed of dependencies.get(file) ?? []) visit(needed, [...path, file]);
    order.add(file);
  };
  for (const name of names) {
    const file = fileOf.get(name.replaceAll("-", "_"));
    if (file !== undefined) visit(file, []);
    else if (!compiledIn.has(name.replaceAll("-", "_"))) {
      throw new Error(`the kernel has no module "${name}"`);
    }
  }
  return [...order];
}
