import type { Command, Option } from "commander";

/** The shells for which there is completion. */
export const shells = ["bash", "zsh", "fish"] as const;
/** A shell for which there is completion. */
export type Shell = (typeof shells)[number];

/** What can be typed after a command's name. */
interface Entry {
  /** The words that lead to it: [] for `weir` itself, ["uplink", "set"]. */
  readonly path: readonly string[];
  readonly subcommands: readonly { name: string; description: string }[];
  readonly options: readonly { flag: string; description: string; values: Values }[];
  /** What its arguments are. */
  readonly values: Values;
}

/** What completes a value: there is none to take, nobody can guess it, files, folders, or words. */
type Values = "none" | "any" | "file" | "folder" | "netns" | "pod" | "uplink" | readonly string[];

/** How the words that the kernel or weir knows are found; slow ones are not asked for. */
const found = {
  netns: "ls /run/netns 2>/dev/null",
  // Records are files of which the names are ids; no weir is started for a key press.
  pod: `sed -n 's/.*"pod":{"namespace":"\\([^"]*\\)","name":"\\([^"]*\\)".*/\\1\\/\\2/p;t;s/.*"id":"\\([^"]*\\)".*/\\1/p' "\${WEIR_STATE_DIRECTORY:-/run/weir}"/attachments/*.json 2>/dev/null`,
  uplink: `ls "\${WEIR_STATE_DIRECTORY:-/run/weir}"/uplinks 2>/dev/null | sed -n 's/\\.json$//p'`,
} as const;

/** The script that completes a program's command line in a shell. */
export function completionScript(program: Command, shell: Shell): string {
  const entries = entriesOf(program, []);
  return { bash: bashScript, zsh: zshScript, fish: fishScript }[shell](entries);
}

function entriesOf(command: Command, path: readonly string[]): Entry[] {
  const visible = command.commands.filter((one) => !(one as Command & { _hidden?: boolean })._hidden);
  const options = [
    ...command.options.flatMap(flagsOf),
    { flag: "--help", description: "print its help", values: "none" as const },
  ];
  const [argument] = command.registeredArguments;
  const choices = argument?.argChoices;
  const own: Entry = {
    path,
    subcommands: visible.map((one) => ({
      name: one.name(),
      description: one.description().split("\n", 1)[0]!,
    })),
    options,
    values: choices ?? (argument ? valuesOf(argument.name(), path) : "none"),
  };
  return [own, ...visible.flatMap((one) => entriesOf(one, [...path, one.name()]))];
}

function flagsOf(option: Option): Entry["options"] {
  if (!option.long || option.hidden) return [];
  const takes = option.required || option.optional;
  const values = takes
    ? (option.argChoices ?? valuesOf(/<([^>]*)>/.exec(option.flags)?.[1] ?? "", [option.long]))
    : "none";
  return [{ flag: option.long, description: option.description.split("\n", 1)[0]!, values }];
}

function valuesOf(name: string, [context = ""]: readonly string[]): Values {
  if (name === "file") return "file";
  if (name === "folder") return "folder";
  if (name === "path|name") return "netns";
  if (name === "pod") return "pod";
  if (context === "--uplink" || (name === "name" && context === "uplink")) return "uplink";
  return "any";
}

function bashScript(entries: readonly Entry[]): string {
  const words = (values: Values): string => {
    if (values === "file") return 'compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$word"))';
    if (values === "folder") return 'compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -d -- "$word"))';
    if (values === "none" || values === "any") return "COMPREPLY=()";
    const list = typeof values === "string" ? `$(${found[values]})` : values.join(" ");
    return `COMPREPLY=($(compgen -W "${list}" -- "$word"))`;
  };
  const before = entries.flatMap(({ path, options }) =>
    options
      .filter(({ values }) => values !== "none")
      .map(({ flag, values }) => `    "${[...path, flag].join(" ")}") ${words(values)}; return ;;`),
  );
  const after = entries.map(({ path, subcommands, options, values }) => {
    const flags = options.map(({ flag }) => flag).join(" ");
    const names = subcommands.map(({ name }) => name).join(" ");
    const rest = names === "" ? words(values) : `COMPREPLY=($(compgen -W "${names}" -- "$word"))`;
    return `    "${path.join(" ")}") if [[ $word == -* ]]; then COMPREPLY=($(compgen -W "${flags}" -- "$word")); else ${rest}; fi ;;`;
  });
  const paths = entries.map(({ path }) => path.join(" ")).filter((path) => path !== "");
  return `# bash completion for weir: source <(weir completion bash)
_weir() {
  local word=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} command= at candidate
  for ((at = 1; at < COMP_CWORD; at++)); do
    candidate="\${command:+$command }\${COMP_WORDS[at]}"
    case "$candidate" in
    ${paths.map((path) => `"${path}"`).join(" | ")}) command=$candidate ;;
    esac
  done
  COMPREPLY=()
  case "\${command:+$command }$previous" in
${before.join("\n")}
  esac
  case "$command" in
${after.join("\n")}
  esac
}
complete -F _weir weir
`;
}

function zshScript(entries: readonly Entry[]): string {
  const quote = (text: string) =>
    text.replaceAll("'", "'\\''").replaceAll(":", "\\:").replaceAll("[", "\\[").replaceAll("]", "\\]");
  const action = (values: Values): string => {
    if (values === "file") return "_files";
    if (values === "folder") return "_files -/";
    if (values === "none" || values === "any") return " ";
    return typeof values === "string" ? `_weir_${values}` : `(${values.join(" ")})`;
  };
  const cases = entries.map(({ path, subcommands, options, values }) => {
    const flags = options.map(({ flag, description, values: of }) => {
      const taken = of === "none" ? "" : `:value:${action(of)}`;
      return `      '*${flag}[${quote(description)}]${taken}'`;
    });
    const names = subcommands.map(({ name, description }) => `${name}:"${quote(description)}"`).join(" ");
    const rest =
      subcommands.length > 0
        ? [`      '1:command:((${names}))'`]
        : values === "none"
          ? []
          : [`      '*:value:${action(values)}'`];
    return `  "${path.join(" ")}")\n    _arguments \\\n${[...flags, ...rest].join(" \\\n")} ;;`;
  });
  const functions = Object.entries(found).map(
    ([name, command]) =>
      `_weir_${name}() {\n  local -a words=(\${(f)"$(${command})"})\n  compadd -a words\n}`,
  );
  const paths = entries.map(({ path }) => path.join(" ")).filter((path) => path !== "");
  return `#compdef weir
# zsh completion for weir: weir completion zsh > "\${fpath[1]}/_weir"
${functions.join("\n")}
_weir() {
  local command= candidate
  local -i at used=1
  for ((at = 2; at < CURRENT; at++)); do
    candidate="\${command:+$command }\${words[at]}"
    case $candidate in
    ${paths.map((path) => `"${path}"`).join(" | ")}) command=$candidate; used=$at ;;
    esac
  done
  # What follows the command's name is what _arguments looks at.
  words=("\${(@)words[used,-1]}")
  ((CURRENT -= used - 1))
  case $command in
${cases.join("\n")}
  esac
}
compdef _weir weir
`;
}

function fishScript(entries: readonly Entry[]): string {
  const quote = (text: string) => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
  const condition = (path: readonly string[], subcommands: readonly { name: string }[]) => {
    const seen = path.map((name) => `__fish_seen_subcommand_from ${name}`);
    const none =
      subcommands.length > 0
        ? [`not __fish_seen_subcommand_from ${subcommands.map(({ name }) => name).join(" ")}`]
        : [];
    return [...seen, ...none].join("; and ");
  };
  const of = (values: Values): string => {
    if (values === "file") return " -r -F";
    if (values === "folder") return " -x -a '(__fish_complete_directories)'";
    if (values === "none") return "";
    if (values === "any") return " -x";
    const words = typeof values === "string" ? `(sh -c ${quote(found[values])})` : values.join(" ");
    return ` -x -a ${quote(words)}`;
  };
  const lines = entries.flatMap(({ path, subcommands, options, values }) => {
    const when = condition(path, subcommands);
    const here = `complete -c weir -n ${quote(when)}`;
    return [
      ...subcommands.map(({ name, description }) => `${here} -f -a ${name} -d ${quote(description)}`),
      ...options.map(
        ({ flag, description, values: taken }) =>
          `${here} -l ${flag.slice(2)} -d ${quote(description)}${of(taken)}`,
      ),
      ...(values === "none" || subcommands.length > 0 ? [] : [`${here} -f${of(values)}`]),
    ];
  });
  return `# fish completion for weir: weir completion fish > ~/.config/fish/completions/weir.fish
complete -c weir -f
${lines.join("\n")}
`;
}
