/** A download from many, on virtual time, without sockets or disks: only the rules, and holders of every kind. */
import { PIECE_BYTES, type PieceRange } from '../../src/streams/pieces.js'
import type { PeerUrl } from '../../src/streams/ports.js'
import { type SwarmCommand, type SwarmEvent, type SwarmJob, step } from '../../src/streams/swarm-rules.js'
import { initialState, type SwarmState } from '../../src/streams/swarm-state.js'
import { createRandom } from '../../src/transport/memory/random.js'

export interface SimulatedHolder {
  readonly url: PeerUrl
  readonly type: 'holder' | 'relay'
  readonly foundMs: number
  readonly bytesPerMs: number
  readonly latencyMs: number
  /** What happens at each piece, as chances. */
  readonly lies: number
  readonly breaks: number
  /** Says nothing any more, until the transport gives up. */
  readonly silences: number
  /** Has no hashes to verify a piece with. */
  readonly hashless: number
  /** What it does at first. */
  readonly mood: 'serves' | 'queues' | 'gone' | 'changed' | 'another size'
}

export interface Simulation {
  readonly gaps: readonly PieceRange[]
  readonly holders: readonly SimulatedHolder[]
  readonly allFoundMs: number
  readonly seed: number
  readonly diskFails?: number
}

export interface Simulated {
  readonly end: SwarmEvent | undefined
  readonly nowMs: number
  /** Pieces that were received, whatever became of them. */
  readonly received: number
  readonly receivedFrom: ReadonlyMap<PeerUrl, number>
  readonly events: readonly SwarmEvent[]
}

/** The transport ends a read that brings nothing for this long. */
const SILENCE_MS = 30_000
const TICK_MS = 100
const CHUNKS = 4
const LONGEST_MS = 3_600_000

function must(holds: boolean, otherwise: string): void {
  if (!holds) throw new Error(otherwise)
}

export const isHonest = ({ lies, breaks, silences, hashless, mood }: SimulatedHolder) =>
  lies + breaks + silences + hashless === 0 && (mood === 'serves' || mood === 'queues')

export function simulate({ gaps, holders, allFoundMs, seed, diskFails = 0 }: Simulation): Simulated {
  const random = createRandom(seed)
  const byUrl = new Map(holders.map((holder) => [holder.url, holder]))
  const wanted = gaps.flatMap(({ start, end }) => Array.from({ length: end - start }, (_, index) => start + index))
  const timers: { readonly atMs: number; readonly number: number; readonly act: () => void }[] = []
  /** Reads that go on, each with a number of its own. */
  const reads = new Map<PeerUrl, number>()
  /** Pieces that are being kept or repaired, with whoever sent them. */
  const busy: { readonly piece: number; readonly holder: PeerUrl }[] = []
  const kept = new Set<number>()
  const events: SwarmEvent[] = []
  const mailbox: SwarmCommand[] = []
  const receivedFrom = new Map<PeerUrl, number>()
  let state: SwarmState = initialState(gaps)
  let [nowMs, lastNumber, received, inTurn] = [0, 0, 0, false]

  const after = (ms: number, act: () => void) => {
    const timer = { atMs: nowMs + Math.max(0, Math.ceil(ms)), number: ++lastNumber, act }
    const at = timers.findIndex(({ atMs }) => atMs > timer.atMs)
    timers.splice(at < 0 ? timers.length : at, 0, timer)
  }
  const chance = (part: number) => random() < part

  function send(...commands: SwarmCommand[]): void {
    mailbox.push(...commands)
    if (inTurn) return
    inTurn = true
    for (let next = mailbox.shift(); next !== undefined; next = mailbox.shift()) turn(next)
    inTurn = false
    check()
  }

  function turn(command: SwarmCommand): void {
    const wasOver = state.over
    const result = step(state, command)
    state = result.state
    events.push(...(result.events ?? []))
    must(!wasOver || (result.jobs ?? []).length === 0, 'a job after the end')
    for (const job of result.jobs ?? []) run(job)
  }

  function run(job: SwarmJob): void {
    switch (job.type) {
      case 'read':
        must(state.holders.get(job.holder)?.state !== 'out', `a read of ${job.holder}, which is out`)
        must(!reads.has(job.holder), `two reads of ${job.holder} at once`)
        must(job.range.end > job.range.start, 'a read of nothing')
        {
          read(job.holder, job.range)
          return
        }
      case 'stop':
        reads.delete(job.holder)
        return
      case 'keep':
        must(
          !busy.some(({ piece, holder }) => piece === job.piece && holder === job.holder),
          'one piece twice from one'
        )
        busy.push({ piece: job.piece, holder: job.holder })
        {
          after(1 + random() * 30, () => keep(job))
          return
        }
      case 'repair': {
        after(1 + random() * 200, () => {
          over(job.piece, job.liar)
          const helps = job.helpers.some((url) => isHonest(byUrl.get(url) as SimulatedHolder)) && chance(0.7)
          if (helps) kept.add(job.piece)
          send({ type: helps ? 'kept' : 'lost', piece: job.piece, nowMs })
        })
        return
      }
      case 'rest': {
        after(job.restMs, () => send({ type: 'rested', holder: job.holder, nowMs }))
        return
      }
    }
  }

  function over(piece: number, holder: PeerUrl): void {
    busy.splice(
      busy.findIndex((one) => one.piece === piece && one.holder === holder),
      1
    )
  }

  function keep({ piece, holder }: SwarmJob & { type: 'keep' }): void {
    const { lies, hashless } = byUrl.get(holder) as SimulatedHolder
    if (chance(diskFails)) {
      send({ type: 'no-disk', code: 'DISK', detail: 'full' })
      return
    }
    if (chance(hashless)) {
      over(piece, holder)
      const why = { why: 'failed', code: 'UNFINISHED', detail: 'no hashes' } as const
      send({ type: 'lost', piece, nowMs }, { type: 'broke', holder, nowMs, ...why })
      return
    }
    if (chance(lies)) {
      send({ type: 'wrong', piece, holder, nowMs })
      return
    }
    over(piece, holder)
    kept.add(piece)
    send({ type: 'kept', piece, nowMs })
  }

  function read(holder: PeerUrl, range: PieceRange): void {
    const number = ++lastNumber
    reads.set(holder, number)
    const { mood, latencyMs, bytesPerMs, breaks, silences } = byUrl.get(holder) as SimulatedHolder
    /** As long as nobody has stopped it. */
    const then = (ms: number, act: () => void) => after(ms, () => (reads.get(holder) === number ? act() : undefined))
    const ends = (command: SwarmCommand) => {
      reads.delete(holder)
      send(command)
    }
    const failed = () => ends({ type: 'broke', holder, nowMs, why: 'failed', code: 'NETWORK', detail: 'broke' })
    const isDone = (piece: number) => piece >= Math.min(range.end, state.lanes.get(holder)?.end ?? 0)
    const bring = (piece: number, chunk: number): void => {
      if (chunk === 0 && chance(silences)) {
        then(SILENCE_MS, failed)
        return
      }
      if (chunk === 0 && chance(breaks)) {
        then(latencyMs, failed)
        return
      }
      then(PIECE_BYTES / CHUNKS / bytesPerMs, () => {
        send({ type: 'advanced', holder, bytes: PIECE_BYTES / CHUNKS, nowMs })
        if (reads.get(holder) !== number) return
        if (chunk < CHUNKS - 1) {
          bring(piece, chunk + 1)
          return
        }
        if (!isDone(piece)) {
          received += 1
          receivedFrom.set(holder, (receivedFrom.get(holder) ?? 0) + 1)
          send({ type: 'received', holder, piece })
          if (reads.get(holder) !== number) return
        }
        if (isDone(piece + 1)) {
          ends({ type: 'requested', holder, nowMs })
          return
        }
        bring(piece + 1, 0)
      })
    }
    then(latencyMs, () => {
      if (mood === 'gone') {
        ends({ type: 'broke', holder, nowMs, why: 'gone', code: 'NOT_FOUND', detail: 'gone' })
        return
      }
      if (mood === 'changed') {
        ends({ type: 'broke', holder, nowMs, why: 'changed', code: 'UNFINISHED', detail: 'changed' })
        return
      }
      if (mood === 'another size') {
        ends({ type: 'broke', holder, nowMs, why: 'lied', detail: 'another size' })
        return
      }
      if (mood === 'queues') {
        send({ type: 'queued', holder, position: 3 })
        then(random() * 10_000, () => bring(range.start, 0))
        return
      }
      bring(range.start, 0)
    })
  }

  let checked: SwarmState | undefined
  function check(): void {
    if (state === checked) return
    checked = state
    const { lanes, over: isOver, pending, missing } = state
    if (isOver) {
      must(lanes.size + reads.size === 0, 'lanes or reads after the end')
      return
    }
    must(reads.size === lanes.size && [...reads.keys()].every((url) => lanes.has(url)), 'a lane without its read')
    must(lanes.size <= 8, 'too many lanes')
    for (const [url, { state: how }] of state.holders) must((how === 'busy') === lanes.has(url), `${url} is ${how}`)
    must(missing === wanted.length - kept.size, 'what is missing is counted wrong')
    must(String([...pending].sort()) === String(busy.map(({ piece }) => piece).sort()), 'what is pending is wrong')
    const mine = [...state.gaps, ...[...lanes.values()].map(({ next, end }) => ({ start: next, end }))]
    const cared = new Set([...kept, ...pending])
    for (const piece of wanted) {
      must(cared.has(piece) || mine.some(({ start, end }) => start <= piece && piece < end), `nobody brings ${piece}`)
    }
    for (const [index, gap] of state.gaps.entries()) {
      must(gap.end > gap.start && gap.start > (state.gaps[index - 1]?.end ?? -1), 'gaps out of order')
    }
  }

  for (const { url, type, foundMs } of holders) {
    after(foundMs, () => send({ type: 'found', found: { type, url }, nowMs }))
  }
  after(allFoundMs, () => send({ type: 'all-found', nowMs }))
  const tick = (): void => {
    send({ type: 'tick', nowMs })
    if (!state.over) after(TICK_MS, tick)
  }
  after(TICK_MS, tick)
  while (!state.over) {
    const next = timers.shift()
    if (next === undefined || next.atMs > LONGEST_MS) break
    nowMs = next.atMs
    next.act()
  }
  const ends = events.filter(({ type }) => type !== 'rejected')
  must(ends.length === (state.over ? 1 : 0), 'it ends twice')
  const isLeft = [...state.holders.values()].some(({ state: how }) => how !== 'out')
  must(ends[0]?.type !== 'failed' || ends[0].code === 'DISK' || !isLeft, 'given up though somebody was left')
  must(ends[0]?.type !== 'complete' || kept.size === wanted.length, 'complete without all pieces')
  return { end: ends[0], nowMs, received, receivedFrom, events }
}
