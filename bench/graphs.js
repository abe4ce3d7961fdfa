/** Who knows whom, as lists of neighbours by number; everything random comes from the given generator. */

/** Everybody knows everybody. */
export function fullMesh(peers) {
  return Array.from({ length: peers }, (_, at) =>
    Array.from({ length: peers }, (_, to) => to).filter((to) => to !== at)
  )
}

/** Peer 0 in the middle knows all others, who know only it. */
export function star(neighbours) {
  return [Array.from({ length: neighbours }, (_, at) => at + 1), ...Array.from({ length: neighbours }, () => [0])]
}

/**
 * A connected random graph in which everybody has `degree` neighbours (an even number), a few one or two less:
 * so many random rings through all peers, laid over each other; where two share a link it counts once.
 */
export function randomRings(peers, degree, random) {
  const neighbours = Array.from({ length: peers }, () => new Set())
  for (let ring = 0; ring < degree / 2; ring += 1) {
    const order = shuffled(peers, random)
    order.forEach((one, at) => {
      const other = order[(at + 1) % peers]
      neighbours[one].add(other)
      neighbours[other].add(one)
    })
  }
  return neighbours.map((set) => [...set])
}

/** The numbers below `count` in random order. */
export function shuffled(count, random) {
  const order = Array.from({ length: count }, (_, at) => at)
  for (let at = count - 1; at > 0; at -= 1) {
    const other = Math.floor(random() * (at + 1))
    ;[order[at], order[other]] = [order[other], order[at]]
  }
  return order
}

/** How many links lie between peer `from` and each other one, over living peers; `Infinity` where there is no way. */
export function hopsFrom(graph, from, isAlive) {
  const hops = graph.map(() => Infinity)
  hops[from] = 0
  const reached = [from]
  for (const at of reached) {
    for (const to of graph[at]) {
      if (hops[to] !== Infinity || !isAlive(to)) continue
      hops[to] = hops[at] + 1
      reached.push(to)
    }
  }
  return hops
}

/** How many links there are between living peers. */
export function linkCount(graph, isAlive) {
  let ends = 0
  graph.forEach((neighbours, at) => {
    if (isAlive(at)) ends += neighbours.filter(isAlive).length
  })
  return ends / 2
}
