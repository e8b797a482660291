import { command } from '../command.js';
import { completionRequest } from '../completion.js';

/** Asks the program for candidates; where it has none, any file may stand. */
const scripts = {
  bash: `# For ~/.bashrc: source <(plugferry completion bash)
_plugferry() {
  local word cur="\${COMP_WORDS[COMP_CWORD]}"
  [[ $cur == "=" ]] && cur=
  COMPREPLY=()
  while IFS=$'\\t' read -r word _; do
    [[ $word == "$cur"* ]] && COMPREPLY+=("$word")
  done < <(plugferry ${completionRequest} "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o bashdefault -o default -F _plugferry plugferry`,
  zsh: `#compdef plugferry
# For ~/.zshrc, behind compinit: source <(plugferry completion zsh)
# Or as a file named _plugferry in a directory of $fpath.
_plugferry() {
  local -a found
  local word about
  while IFS=$'\\t' read -r word about; do
    found+=("\${word//:/\\\\:}:$about")
  done < <(plugferry ${completionRequest} "\${(@)words[2,CURRENT]}" 2>/dev/null)
  if (( $#found )); then _describe plugferry found; else _files; fi
}
if [[ $funcstack[1] == _plugferry ]]; then _plugferry "$@"; else compdef _plugferry plugferry; fi`,
} as const;

export default command({
  name: 'completion',
  describe: 'Print a script that lets bash or zsh complete commands, options and their values',
  positionals: {
    shell: { type: 'string', choices: ['bash', 'zsh'], demandOption: true, describe: 'bash or zsh' },
  },
  options: {},
  examples: [
    ['bash', 'For ~/.bashrc: source <(plugferry completion bash)'],
    ['zsh', 'For ~/.zshrc: source <(plugferry completion zsh)'],
  ],
  async run({ shell }) {
    const script = scripts[shell];
    return { json: { shell, script }, text: script };
  },
});
