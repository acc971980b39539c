import { toJson } from "../cli/json.js";
import type { Terminal } from "../cli/terminal.js";

/** A terminal without colours that keeps what is printed on it. */
export function memoryTerminal(): Terminal & {
  readonly output: () => string;
  readonly errors: () => string;
} {
  const output: string[] = [];
  const errors: string[] = [];
  const same = (text: string) => text;
  return {
    print: (text) => output.push(text),
    printJson: (value) => output.push(toJson(value)),
    complain: (text) => errors.push(text),
    style: { bold: same, dim: same, red: same, green: same, yellow: same },
    output: () => output.join("\n"),
    errors: () => errors.join("\n"),
  };
}
