// One event stream read by hand, with fetch (HTML standard, section 9.2.3).

import { EventStreamParser } from './parser.js';

/**
 * An EventSource that begins where another one left off, and hides nothing: it tells of its `request`, of the `head` of
 * the answer, of each `line` and `comment`. It does not come back; its `error` says how it has ended.
 */
export class FetchedEventSource extends EventTarget {
  readyState = EventSource.CONNECTING;
  retry = null;
  #control = new AbortController();

  /** The answer has to begin within the deadline, in milliseconds: a connection may be dead. */
  constructor(url, lastEventId, deadline) {
    super();
    this.#run(url, lastEventId, deadline);
  }

  close() {
    this.readyState = EventSource.CLOSED;
    this.#control.abort();
  }

  async #run(url, lastEventId, deadline) {
    await null; // whoever has made this is to listen first
    const timer = setTimeout(() => this.#control.abort('late'), deadline);
    const how = await this.#connect(url, lastEventId, timer).catch(() => this.#control.signal.reason ?? 'lost');
    clearTimeout(timer);
    if (this.readyState === EventSource.CLOSED) return;
    this.readyState = EventSource.CLOSED;
    this.#tell('error', how);
  }

  async #connect(url, lastEventId, timer) {
    const headers = { Accept: 'text/event-stream' };
    if (lastEventId !== '') headers['Last-Event-ID'] = lastEventId;
    this.#tell('request', headers);
    const answer = await fetch(url, { headers, cache: 'no-store', signal: this.#control.signal });
    clearTimeout(timer);
    this.#tell('head', answer);
    if (!isStream(answer)) return 'refused';
    this.readyState = EventSource.OPEN;
    this.#tell('open');
    await this.#read(answer.body.getReader(), new EventStreamParser(lastEventId));
    return 'ended';
  }

  /** What the end of the stream cuts off was no event. */
  async #read(reader, parser) {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      for (const line of parser.push(value)) {
        if (this.readyState === EventSource.CLOSED) return;
        this.retry = parser.retry;
        this.#tell('line', line);
        if (line.name === '') this.#tell('comment', line.value);
        if (line.event) this.dispatchEvent(new MessageEvent(line.event.type, line.event));
      }
    }
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** Any other answer, a login page say, makes an EventSource give up. */
function isStream({ status, headers }) {
  return status === 200 && /^text\/event-stream\s*(;|$)/i.test(headers.get('Content-Type'));
}
