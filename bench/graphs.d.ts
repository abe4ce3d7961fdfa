/** Neighbours by number. */
export type Graph = readonly (readonly number[])[]
export function fullMesh(peers: number): Graph
export function star(neighbours: number): Graph
export function randomRings(peers: number, degree: number, random: () => number): Graph
export function shuffled(count: number, random: () => number): number[]
export function hopsFrom(graph: Graph, from: number, isAlive: (peer: number) => boolean): number[]
export function linkCount(graph: Graph, isAlive: (peer: number) => boolean): number
