/**
 * The package that speaks multicast DNS, in a module of our own: it is loaded late, and a bundle gives what is loaded late
 * from a CommonJS package no names.
 */
export { Bonjour } from 'bonjour-service'
