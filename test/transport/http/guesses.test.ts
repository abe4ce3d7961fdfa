import { NEVER, of, Subject } from 'rxjs'
import { expect, test, vi } from 'vitest'
import { createGuesses } from '../../../src/transport/http/guesses.js'

const outside = (address: string) => ({ address, isHere: false })

async function guessed(count: number, settle: (at: number) => Promise<void>): Promise<number> {
  let answered = 0
  for (let at = 0; at < count; at++) void settle(at).then(() => answered++)
  await Promise.resolve()
  await Promise.resolve()
  return answered
}

test('who is wrong often waits, and who is wrong at many places at once is not looked at', async () => {
  vi.useFakeTimers()
  try {
    const guesses = createGuesses(() => 0)
    const answered = await guessed(30, () => guesses.wrong(outside('a'), NEVER))
    expect(answered).toBeLessThan(30)
    expect(guesses.mayTry(outside('a'))).toBe(false)
    // Somebody else, and whoever is on this machine, can still say the right one.
    expect(guesses.mayTry(outside('b'))).toBe(true)
    expect(guesses.mayTry({ address: 'a', isHere: true })).toBe(true)
    await vi.advanceTimersByTimeAsync(1_000)
    expect(guesses.mayTry(outside('a'))).toBe(true)
    expect(vi.getTimerCount()).toBe(0)
  } finally {
    vi.useRealTimers()
  }
})

test('whoever leaves while he waits is forgotten', async () => {
  vi.useFakeTimers()
  try {
    const guesses = createGuesses(() => 0)
    const gone$ = new Subject<void>()
    await guessed(30, () => guesses.wrong(outside('a'), gone$))
    gone$.next()
    expect(vi.getTimerCount()).toBe(0)
    await guesses.wrong(outside('a'), of(undefined))
    expect(guesses.mayTry(outside('a'))).toBe(true)
  } finally {
    vi.useRealTimers()
  }
})
