/** The book's second program (Listing 27-2): content as a plain value, all else as faults. */
import { ACCESS_DENIED, fault, UNHANDLED, type Wording } from './foreign.js'
import { OTHER_FAULT } from './serve.js'

const unhandled = fault(UNHANDLED, "Couldn't handle the query")
const denied = fault(ACCESS_DENIED, 'Access denied')

export const BOOK: Wording = {
  dialect: 'book',
  greeted: 0,
  fetched: 0,
  missed: unhandled,
  denied,
  fetchMissed: unhandled,
  fetchDenied: denied,
  fetchFailed: fault(OTHER_FAULT, "Couldn't keep the file")
}
