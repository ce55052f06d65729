// An event stream read by hand, with fetch: what an EventSource is inside (HTML standard, section 9.2.3).

import { EventStreamParser } from './parser.js';

/** The milliseconds before a browser comes back, until a `retry:` field says otherwise. */
export const USUAL_RETRY = 1000;

/** An answer has to begin within this time, in milliseconds: a connection can be dead without anybody's knowing. */
const FIRST_DEADLINE = 1500;
/** Each attempt that fails so gets twice the time of the one before, up to this. */
const LAST_DEADLINE = 12000;

/**
 * An EventSource that can begin where another one left off, and hides nothing. It tells of each `request`, of the
 * `head` of each answer, of each `line` and each `comment`.
 */
export class FetchedEventSource extends EventTarget {
  readyState = EventSource.CONNECTING;
  #url;
  #lastEventId;
  #retry = USUAL_RETRY;
  #deadline = FIRST_DEADLINE;
  #attempt = null;

  constructor(url, lastEventId = '') {
    super();
    this.#url = url;
    this.#lastEventId = lastEventId;
    this.#stayConnected();
  }

  close() {
    this.readyState = EventSource.CLOSED;
    this.#attempt?.abort();
  }

  async #stayConnected() {
    await null; // whoever has made this is to listen first
    while (this.readyState !== EventSource.CLOSED) {
      const how = await this.#connect().catch(() => 'lost');
      if (this.readyState === EventSource.CLOSED) return;
      this.readyState = how === 'refused' ? EventSource.CLOSED : EventSource.CONNECTING;
      this.#tell('error', how);
      await new Promise((wake) => setTimeout(wake, how === 'late' ? 0 : this.#retry));
    }
  }

  /** One connection, from its request to its end. How it has ended: by the server, late, or refused. */
  async #connect() {
    const answer = await this.#request();
    if (answer === null) return 'late';
    this.#tell('head', answer);
    if (!isStream(answer)) return 'refused';
    this.#deadline = FIRST_DEADLINE;
    this.readyState = EventSource.OPEN;
    this.dispatchEvent(new Event('open'));
    await this.#read(answer.body.getReader());
    return 'ended';
  }

  /** The answer; null if there was none in time. */
  async #request() {
    const attempt = (this.#attempt = new AbortController());
    let isLate = false;
    const timer = setTimeout(() => attempt.abort((isLate = true)), this.#deadline);
    const headers = { Accept: 'text/event-stream' };
    if (this.#lastEventId !== '') headers['Last-Event-ID'] = this.#lastEventId;
    this.#tell('request', headers);
    try {
      return await fetch(this.#url, { headers, cache: 'no-store', signal: attempt.signal });
    } catch (error) {
      if (!isLate) throw error;
      this.#deadline = Math.min(2 * this.#deadline, LAST_DEADLINE);
      return null;
    } finally {
      clearTimeout(timer);
    }
  }

  /** What the end of the stream cuts off was no event. */
  async #read(reader) {
    const parser = new EventStreamParser(this.#lastEventId);
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      for (const line of parser.push(value)) {
        if (this.readyState === EventSource.CLOSED) return;
        this.#lastEventId = parser.lastEventId;
        this.#retry = parser.retry ?? this.#retry;
        this.#take(line);
      }
    }
  }

  #take(line) {
    this.#tell('line', line);
    if (line.name === '') this.#tell('comment', line.value);
    if (line.event) this.dispatchEvent(new MessageEvent(line.event.type, line.event));
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** Any other answer, a login page say, makes an EventSource give up. */
function isStream({ status, headers }) {
  return status === 200 && /^text\/event-stream\s*(;|$)/i.test(headers.get('Content-Type') ?? '');
}
