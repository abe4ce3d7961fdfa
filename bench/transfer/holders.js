/** Real p2p-rx processes that hold files, and the one that gets them. */
import { execFileSync } from 'node:child_process'
import { Agent, request } from 'node:http'
import { setTimeout } from 'node:timers/promises'
import { freePort, MAIN, run, scratch, serve } from '../processes.js'

const HASHED = /^"[0-9a-f]{64}"$/

const helps = new Map()

/** Whether this build knows a flag. */
function knows(command, flag) {
  if (!helps.has(command))
    helps.set(command, execFileSync('node', [MAIN, command, '--help'], { encoding: 'utf8', stdio: 'pipe' }))
  return helps.get(command).includes(`${flag} `)
}

/** Starts a holder of these files of a folder, and waits until it has hashed them. */
export async function startHolder(dir, names, { up } = {}) {
  if (up !== undefined && !knows('start', '--up')) throw new Error('not measured: this build has no --up')
  const port = await freePort()
  const more = [
    ...(knows('start', '--state-dir') ? ['--state-dir', scratch()] : []),
    ...(up === undefined ? [] : ['--up', `${up}`])
  ]
  const server = await serve('node', MAIN, 'start', '--dir', dir, '--port', `${port}`, '--no-shell', ...more)
  await hashed(port, names)
  return { ...server, url: `http://127.0.0.1:${port}` }
}

async function hashed(port, names) {
  const agent = new Agent({ keepAlive: true, maxSockets: 8 })
  let left = names
  for (let tries = 0; left.length > 0; tries++) {
    if (tries === 1_200) throw new Error(`the holder has not hashed ${left[0]}`)
    const tags = await Promise.all(left.map((name) => tagOf(agent, port, name)))
    left = left.filter((_, at) => !HASHED.test(tags[at]))
    if (left.length > 0) await setTimeout(100)
  }
  agent.destroy()
}

function tagOf(agent, port, name) {
  return new Promise((resolve) => {
    const asked = request({ agent, port, host: '127.0.0.1', method: 'HEAD', path: `/files/${name}` }, (response) => {
      response.resume().on('end', () => resolve(response.headers.etag ?? ''))
    })
    asked.on('error', () => resolve('')).end()
  })
}

/** Runs `get` to its end, start-up included. */
export function get(name, holders, dir) {
  const peers = holders.flatMap(({ url }) => ['--peer', url])
  return run('node', MAIN, 'get', name, ...peers, '-o', dir, '--no-progress')
}
