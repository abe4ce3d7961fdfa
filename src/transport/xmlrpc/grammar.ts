/** Which element of XML-RPC may stand where. */

/** How an element may be filled. `children` are roles, by position; with `repeats` the one role any number of times. */
export interface Shape {
  /** The name under which the package knows it. */
  readonly known: string
  readonly role: string
  readonly children: readonly string[]
  readonly repeats: boolean
  readonly atLeast: number
  readonly isText: boolean
}

function branch(name: string, children: readonly string[], rest: Partial<Shape> = {}): [string, Shape] {
  const known = name.toUpperCase()
  return [name, { known, role: name, children, repeats: false, atLeast: children.length, isText: false, ...rest }]
}

function leaves(known: string, ...names: readonly string[]): [string, Shape][] {
  return names.map((name) => branch(name, [], { known, role: 'type', isText: true }))
}

const EVERY = { repeats: true, atLeast: 0 }

const SHAPES = new Map<string, Shape>([
  branch('methodCall', ['methodName', 'params'], { atLeast: 1 }),
  branch('methodName', [], { isText: true }),
  branch('methodResponse', ['outcome']),
  branch('params', ['param'], EVERY),
  branch('fault', ['value'], { role: 'outcome' }),
  branch('param', ['value']),
  branch('value', ['type'], { atLeast: 0, isText: true }),
  branch('array', ['data'], { role: 'type' }),
  branch('data', ['value'], EVERY),
  branch('struct', ['member'], { role: 'type', ...EVERY }),
  branch('member', ['name', 'value']),
  branch('name', [], { isText: true }),
  // Python and Apache send more kinds of numbers than the specification has; each is a number or refused (WIRE W18).
  ...leaves('INT', 'int', 'i4', 'i8', 'i1', 'i2', 'biginteger'),
  ...leaves('DOUBLE', 'double', 'float'),
  ...leaves('BOOLEAN', 'boolean'),
  ...leaves('STRING', 'string'),
  ...leaves('BASE64', 'base64'),
  ...leaves('DATETIME.ISO8601', 'dateTime.iso8601'),
  ...leaves('NIL', 'nil')
])

/** Apache's extensions carry this prefix. */
const EXTENSION = 'ex:'

/** The shape of an element; undefined when XML-RPC has none of that name. */
export function shapeOf(name: string): Shape | undefined {
  return SHAPES.get(name.startsWith(EXTENSION) ? name.slice(EXTENSION.length) : name)
}
