/** `p2p-rx completion`: a script for a shell that completes commands, flags, and the names that the last find brought. */
import { P2pError } from '../index.js'

/** What can be said to a command. */
export interface Spoken {
  /** Its name, then its aliases. */
  readonly names: readonly string[]
  readonly flags: readonly string[]
  readonly commands: readonly Spoken[]
}

/** Commands that take the name of a file in the network. */
const OF_NAMES = ['get', 'fetch', 'query']
/** As `last-find.ts` has it, for a shell. */
const LAST_FIND = ['$', '{XDG_STATE_HOME:-$HOME/.local/state}/p2p-rx/last-find'].join('')

/** Prints the script. Errors with USAGE. */
export function completion(shell: string, commands: readonly Spoken[]): number {
  const make = Object.hasOwn(SCRIPTS, shell) ? SCRIPTS[shell] : undefined
  if (make === undefined)
    throw new P2pError('USAGE', `There is no completion for ${shell}`, { advice: 'Say bash, zsh or fish.' })
  process.stdout.write(make(commands))
  return 0
}

const SCRIPTS: Readonly<Record<string, (commands: readonly Spoken[]) => string>> = { bash, zsh, fish }

const firstWords = (commands: readonly Spoken[]) => [...commands.flatMap(({ names }) => names), 'help']

/** For each command what may follow it: its flags and those of its own commands, and these. */
function cases(commands: readonly Spoken[], line: (names: string, words: string) => string): string {
  return commands
    .map(({ names, flags, commands: below }) => {
      const words = [...below.flatMap((one) => one.names), ...flags, ...below.flatMap((one) => one.flags)]
      return line(names.join('|'), [...new Set(words)].join(' '))
    })
    .join('\n')
}

// Names come from other people: no shell ever reads one as a word of its own language. `compgen -W` would, so it gets none.
function bash(commands: readonly Spoken[]): string {
  return `# p2p-rx in bash. Once: source <(p2p-rx completion bash)
_p2p_rx() {
  local current=\${COMP_WORDS[COMP_CWORD]} words= name
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    COMPREPLY=($(compgen -W '${firstWords(commands).join(' ')}' -- "$current"))
    return
  fi
  case \${COMP_WORDS[1]} in
${cases(commands, (names, words) => `    ${names}) words='${words}' ;;`)}
  esac
  case \${COMP_WORDS[1]}:$current in
    *:-*) COMPREPLY=($(compgen -W "$words" -- "$current")) ;;
    ${OF_NAMES.map((name) => `${name}:*`).join('|')})
      # What is typed may be quoted already.
      current=\${current#[\\"\\']}
      current=\${current//\\\\/}
      while IFS= read -r name; do
        if [[ $name == "$current"* ]]; then COMPREPLY+=("$name"); fi
      done 2>/dev/null < "${LAST_FIND}"
      compopt -o filenames
      ;;
    *) COMPREPLY=($(compgen -W "$words" -- "$current")) ;;
  esac
}
complete -o default -F _p2p_rx p2p-rx
`
}

function zsh(commands: readonly Spoken[]): string {
  return `#compdef p2p-rx
# p2p-rx in zsh. Once, after compinit: source <(p2p-rx completion zsh)
_p2p_rx() {
  local -a flags names
  local file="${LAST_FIND}"
  if (( CURRENT == 2 )); then
    compadd -- ${firstWords(commands).join(' ')}
    return
  fi
  case \${words[2]} in
${cases(commands, (names, words) => `    ${names}) flags=(${words}) ;;`)}
  esac
  if [[ $PREFIX == -* ]]; then
    compadd -a flags
    return
  fi
  case \${words[2]} in
    ${OF_NAMES.join('|')})
      [[ -r $file ]] && names=("\${(@f)$(<$file)}") && compadd -a names
      ;;
    *) _files ;;
  esac
}
if [[ $funcstack[1] == _p2p_rx ]]; then _p2p_rx "$@"; else compdef _p2p_rx p2p-rx; fi
`
}

function fish(commands: readonly Spoken[]): string {
  const line = (names: string, words: string) => {
    const seen = `complete -c p2p-rx -n '__fish_seen_subcommand_from ${names.replaceAll('|', ' ')}'`
    return words
      .split(' ')
      .map((word) => (word.startsWith('--') ? `${seen} -l ${word.slice(2)}` : `${seen} -f -a ${word}`))
      .join('\n')
  }
  return `# p2p-rx in fish. Once: p2p-rx completion fish > ~/.config/fish/completions/p2p-rx.fish
function __p2p_rx_names
  set -l state $XDG_STATE_HOME
  test -n "$state"; or set state $HOME/.local/state
  test -r $state/p2p-rx/last-find; and cat $state/p2p-rx/last-find
end
complete -c p2p-rx -f -n __fish_use_subcommand -a '${firstWords(commands).join(' ')}'
complete -c p2p-rx -f -n '__fish_seen_subcommand_from ${OF_NAMES.join(' ')}' -a '(__p2p_rx_names)'
${cases(commands, line)}
`
}
