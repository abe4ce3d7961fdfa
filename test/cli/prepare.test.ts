import { execFile } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { newFolder } from '../store/disk.js'

/** Runs what npm runs after an install, in a folder where a build only says that it is one. */
async function prepare(dir: string, command: string): Promise<string> {
  await writeFile(join(dir, 'package.json'), '{ "scripts": { "build": "echo it is built" } }')
  const env = { ...process.env, npm_command: command }
  return (await promisify(execFile)(process.execPath, [resolve('scripts/prepare.js')], { cwd: dir, env })).stdout
}

test('a clone is built when it is installed, and not again by npx, which would take as long as an install', async () => {
  const dir = await newFolder()
  expect(await prepare(dir, 'exec')).toContain('it is built')
  await mkdir(join(dir, 'dist/cli'), { recursive: true })
  await writeFile(join(dir, 'dist/cli/main.js'), '')
  expect(await prepare(dir, 'exec')).not.toContain('it is built')
  expect(await prepare(dir, 'ci')).toContain('it is built')
})
