/** `p2p-rx doctor`: what works and what does not, in plain words. */
import { type FactFlags, gatherFacts } from './doctor-facts.js'
import { type Finding, judge } from './doctor-rules.js'
import { answer, say, writeJson } from './output.js'
import { stoppedExitCode, watchStops } from './stop.js'

/** As for what cannot be reached. */
const SOMETHING_BAD_EXIT_CODE = 5

export interface DoctorFlags extends FactFlags {
  readonly json?: boolean
}

export async function doctor(flags: DoctorFlags): Promise<number> {
  const stops = watchStops()
  const stopped = new Promise<undefined>((resolve) => stops.stop$.subscribe(() => resolve(undefined)))
  const facts = await Promise.race([gatherFacts(flags), stopped])
  // What is being asked would hold the process up for seconds.
  if (facts === undefined) process.exit(stops.reason === undefined ? 1 : stoppedExitCode(stops.reason))
  const findings = judge(facts)
  for (const finding of findings) {
    if (flags.json) writeJson(finding)
    else tell(finding)
  }
  const bad = findings.filter(({ level }) => level === 'bad').length
  if (bad === 0) say('All is well.')
  else say(bad === 1 ? 'One thing does not work.' : `${bad} things do not work.`)
  return bad === 0 ? 0 : SOMETHING_BAD_EXIT_CODE
}

function tell({ level, check, text, advice }: Finding): void {
  const ending = advice === undefined ? '.' : `. ${advice}`
  answer(`${level.padEnd(5)} ${check.padEnd(10)} ${text}${ending}`, level === 'ok' ? undefined : STYLES[level])
}

const STYLES = { note: 'yellow', bad: 'red' } as const
