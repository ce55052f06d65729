// Who may hold a connection.
//
// Over HTTP/1.1 a browser opens six connections to one host, for all its tabs: six that wait would leave none to pay with,
// nor to load a page. So each stream takes a ticket, and the five oldest hold a connection. HTTP/2 has no such limit.

const STREAMS = 5;
const ANSWERS_WITHIN_MS = 200;
const ASK_AGAIN_MS = 2000;

const isLimited = !/^h[23]/.test(performance.getEntriesByType('navigation')[0]?.nextHopProtocol);
const channel = new BroadcastChannel('orderpay');
const thisTab = Math.random();
const tickets = new Set();
let wake = () => {};

/** The time at which it was taken; the fraction tells two of the same millisecond apart. */
export function takeTicket() {
  const ticket = Date.now() + Math.random();
  tickets.add(ticket);
  return ticket;
}

export function giveBack(ticket) {
  if (tickets.delete(ticket)) channel.postMessage({ free: true });
}

/** Whether this ticket is among the oldest, all tabs together. */
export async function mayConnect(ticket) {
  if (!isLimited) return true;
  const byTab = await ticketsByTab();
  const older = [...byTab.values()].flat().filter((other) => other < ticket);
  return older.length < STREAMS;
}

/** Or some time has passed: a tab that crashes gives no ticket back. */
export function somebodyLeft() {
  return new Promise((resolve) => {
    wake = resolve;
    setTimeout(resolve, ASK_AGAIN_MS);
  });
}

/** A roll call. A Map, since a tab that two others ask answers twice. */
async function ticketsByTab() {
  const byTab = new Map([[thisTab, [...tickets]]]);
  const hear = ({ data }) => data.tickets && byTab.set(data.tab, data.tickets);
  channel.addEventListener('message', hear);
  channel.postMessage({ question: 'tickets' });
  await new Promise((resolve) => setTimeout(resolve, ANSWERS_WITHIN_MS));
  channel.removeEventListener('message', hear);
  return byTab;
}

channel.addEventListener('message', ({ data }) => {
  if (data.question) channel.postMessage({ tab: thisTab, tickets: [...tickets] });
  if (data.free) wake();
});
