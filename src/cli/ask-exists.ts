/** What to do with a file that is here already: by a flag, or as somebody at the terminal says. */
import { createInterface } from 'node:readline'
import { P2pError } from '../index.js'
import type { Board } from './board.js'
import { printable } from './output.js'
import type { Stops } from './stop.js'

/** `refuse` is what happens where nobody said anything and nobody can be asked. */
export type IfExists = 'refuse' | 'overwrite' | 'rename' | 'skip'

type Answer = 'overwrite' | 'rename' | 'skip' | 'abort'

/** Asks what to do; questions come one after the other, and a capital letter answers all that follow. */
export type AskExists = (what: string) => Promise<Answer>

const ANSWERS: Partial<Record<string, Answer>> = { o: 'overwrite', r: 'rename', s: 'skip', a: 'abort' }

export interface ExistsFlags {
  readonly overwrite?: boolean
  readonly rename?: boolean
  readonly skip?: boolean
}

export function ifExistsOf({ overwrite = false, rename = false, skip = false }: ExistsFlags): IfExists {
  const said: IfExists[] = []
  if (overwrite) said.push('overwrite')
  if (rename) said.push('rename')
  if (skip) said.push('skip')
  const [first = 'refuse', second] = said
  if (second === undefined) return first
  throw new P2pError('USAGE', `--${first} and --${second} contradict each other`, { advice: 'Say one of them.' })
}

export function createAskExists(board: Board, { stop$ }: Stops): AskExists {
  let forAll: Answer | undefined
  let last: Promise<unknown> = Promise.resolve()
  const ask = async (what: string): Promise<Answer> => {
    if (forAll !== undefined) return forAll
    board.pause()
    try {
      const letter = await readAnswer(
        `${printable(what)} here already: (o)verwrite, (r)ename, (s)kip or (a)bort? A capital letter is for all. `,
        stop$
      )
      const answer = ANSWERS[letter.toLowerCase()] ?? 'abort'
      // After an abort nobody wants to be asked about the rest.
      if (letter !== letter.toLowerCase() || answer === 'abort') forAll = answer
      return answer
    } finally {
      board.resume()
    }
  }
  return (what) => {
    const answer = last.then(() => ask(what))
    last = answer
    return answer
  }
}

/** One of the letters; none when the terminal is at its end or it is time to stop. */
function readAnswer(question: string, stop$: Stops['stop$']): Promise<string> {
  return new Promise((resolve) => {
    const lines = createInterface({ input: process.stdin, output: process.stderr, terminal: true, prompt: question })
    // Read key by key, a terminal sends no signal for Ctrl-C.
    lines.on('SIGINT', () => process.kill(process.pid, 'SIGINT'))
    const stopping = stop$.subscribe(() => lines.close())
    lines.on('line', (line) => {
      const [letter = ''] = line.trim()
      const meant = ANSWERS[letter.toLowerCase()]
      if (meant === undefined || (line.trim() !== letter && line.trim() !== meant)) lines.prompt()
      else {
        resolve(letter)
        lines.close()
      }
    })
    lines.on('close', () => {
      stopping.unsubscribe()
      resolve('')
    })
    lines.prompt()
  })
}
