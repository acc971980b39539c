/** Whether a name fits a pattern in which "*" stands for any characters and "?" for one, as libbpf's glob_match. */
export function matcher(pattern: string): (name: string) => boolean {
  const parts = pattern.replaceAll(/[.+^${}()|[\]\\]/g, "\\$&");
  const expression = new RegExp(`^${parts.replaceAll(/\*+/g, ".*").replaceAll("?", ".")}$`);
  return (name) => expression.test(name);
}

/** Whether a text is a pattern rather than a name. */
export function isPattern(text: string): boolean {
  return /[*?]/.test(text);
}
