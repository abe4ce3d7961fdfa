/** Prints rows of cells under a title, in columns as wide as they have to be. */
export function printTable(title, rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => String(row[column]).length)))
  const lines = rows.map((row) =>
    row
      .map((cell, column) => String(cell).padEnd(widths[column]))
      .join('  ')
      .trimEnd()
  )
  console.log(`\n${title}\n`)
  for (const line of lines) console.log(`  ${line}`)
}

/** 1494559 as 1,494,559. */
export const grouped = (number) => number.toLocaleString('en-US')
