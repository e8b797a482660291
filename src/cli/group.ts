import type { Command } from './command.js';

/**
 * Commands under one word, such as `trust init` and `trust add`. Each is a command of its own whose name is both words.
 *
 * @param describe one line for the list of all commands.
 */
export function group(name: string, describe: string, commands: readonly Command[]): Command {
  const wordOf = (command: Command): string => command.name.slice(name.length + 1);
  return {
    name,
    describe,
    positionals: {},
    options: {},
    commands,
    examples: commands.flatMap((command) =>
      command.examples.map(([line, meaning]) => [`${wordOf(command)} ${line}`, meaning] as const),
    ),
    valued: commands.flatMap(({ valued }) => valued),
    register(yargs, registry) {
      yargs.command(name, describe, (builder) => {
        for (const command of commands) command.register(builder, registry);
        for (const command of commands) {
          const [first] = command.examples;
          if (first !== undefined) builder.example(`$0 ${command.name} ${first[0]}`, first[1]);
        }
        return builder.demandCommand(1, `Give one of: ${commands.map(wordOf).join(', ')}.`);
      });
    },
  };
}
