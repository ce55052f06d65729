// What the page says, in English and in Chinese.
//
// An element with data-word shows the text of that name. The address ends in #zh or #en once somebody has chosen; else
// the browser's own language decides.

const en = {
  otherLanguage: '中文',
  newOrder: 'New order',
  order: 'Order',

  connecting: 'Connecting',
  waiting: 'Waiting for payment',
  paid: 'Paid',
  reconnecting: 'Reconnecting',
  'timed-out': 'Timed out',
  stopped: 'Stopped',
  crowded: 'No connection left',
  crowdedWhy: 'Over HTTP/1.1 all tabs share six connections to one host: five for streams, one for paying. '
    + 'This tab waits for one of the five.',
  timeLeft: 'Time left',
  received: 'What has arrived',
  requests: 'Requests so far:',
  polling: 'A page that asks every second would have made:',

  text: 'Text',
  pay: 'Pay',
  lose: 'Cut the line',
  stop: 'What is 204?',
  again: 'Wait again',
  needsToken: 'Only who knows the token can pay:',

  back: '↑ Back',
  forth: 'Next ↓',
  older: 'Earlier steps are no longer shown.',
  browser: 'Browser',
  platform: 'Platform',
  goesOn: 'The response is still open.',
  endOfStream: 'end of stream',
  connectionLost: 'connection lost',

  get: 'The page asks, once. From now on it only listens.',
  getAgain: 'The browser comes back by itself, and says the last id that it was given.',
  lookAgain: 'The page asks anew: a quiet line may be a dead one.',
  unanswered: 'No stream comes of it. The page tries again.',
  open: 'The response begins and does not end, so the server can speak at any time.',
  noStream: 'This is no event stream. An EventSource would give up; this page tries again.',
  opening: 'If the line breaks: come back after so many ms (retry), and say this id.',
  heartbeat: 'A heartbeat: a comment, so that nobody cuts a quiet line. An EventSource hides it.',
  payback: 'The payment platform tells the server, not the browser.',
  unpaid: 'Nobody answers, so nothing is paid. A platform would call again.',
  elsewhere: 'Somebody has paid elsewhere. (Inferred from the result.)',
  earlier: 'It was paid before the page asked: the server says so, in a comment.',
  ok: 'The platform hears “ok”, or it would call again. So many streams were told.',
  refused: 'The server refuses. Nothing is paid by this.',
  message: 'The server pushes the result down the open response: an event without a name, a “message”.',
  finish: 'Named “finish”: nothing more will come. Who comes back with this id gets a 204.',
  close: 'The page closes. If not, the browser would take the end for a lost line, and come back.',
  left: 'The page was left. It closes its stream: nobody would read it.',
  ended: 'The response has ended without “finish”. The browser comes back after so many ms.',
  lost: 'The line has broken. The browser comes back after so many ms.',
  timeout: 'The server says that the time is up: nobody has paid.',
  timedOut: 'The response has ended without “finish”: so it was a timeout.',
  stray: 'If the page had not closed: the browser comes back, and says the id of “finish”.',
  noContent: '204: nothing more will come. An EventSource stops, and never comes back.',

  wire: 'Bytes',
  hintRequest: 'the request; inferred, since a script can’t see what is sent',
  hintMore: 'a field of the request; the browser adds more',
  hintLastId: 'the id that this browser was given last',
  hintStatus: 'the response begins; only the version is inferred',
  hintField: 'a field, as a script is told it',
  hintType: 'from here on: a stream of events',
  hintEvent: 'the event’s name; one without is a “message”',
  hintId: 'who comes back says it, as Last-Event-ID',
  hintRetry: 'come back after so many milliseconds',
  hintData: 'a line of text for the page',
  hintComment: 'a comment: an EventSource hides it',
  hintBlank: 'an empty line: the event is complete',
  native: 'Let the browser’s own EventSource read the next stream: it hides all this.',

  code: 'Code',

  lines: 'Terminal',
  copy: 'Copy',
  copied: 'Copied',

  phone: 'Phone',
  phoneScan: 'Scan it: the phone opens this address, and that is the payment.',
  phoneLoopback: 'No phone can reach a loopback address. Listen on the network, and open the page there:',
  phoneLong: 'This address is too long for a small code.',
};

const zh = {
  otherLanguage: 'English',
  newOrder: '新订单',
  order: '订单',

  connecting: '正在连接',
  waiting: '等待支付',
  paid: '已支付',
  reconnecting: '正在重连',
  'timed-out': '已超时',
  stopped: '已停止',
  crowded: '没有空闲连接',
  crowdedWhy: '在 HTTP/1.1 上，所有标签页共用六个到同一主机的连接：五个给事件流，一个留着支付。'
    + '本页等五个之中的一个。',
  timeLeft: '剩余时间',
  received: '收到的内容',
  requests: '至今的请求数：',
  polling: '每秒询问一次的页面会发出：',

  text: '文字',
  pay: '支付',
  lose: '断开连接',
  stop: '204 是什么？',
  again: '再等一次',
  needsToken: '知道令牌的人才能支付：',

  back: '↑ 上一步',
  forth: '下一步 ↓',
  older: '更早的步骤不再显示。',
  browser: '浏览器',
  platform: '支付平台',
  goesOn: '响应仍然开着。',
  endOfStream: '流结束',
  connectionLost: '连接断开',

  get: '页面只问一次，之后只管听。',
  getAgain: '浏览器自己回来，并报出最后得到的 id。',
  lookAgain: '本页重新询问：安静的连接可能已断。',
  unanswered: '没有得到流。本页再试。',
  open: '响应开始了，但不结束：服务器随时可以说话。',
  noStream: '这不是事件流。EventSource 会放弃；本页会再试。',
  opening: '连接断了：这么多毫秒（retry）后回来，并报出这个 id。',
  heartbeat: '心跳：一行注释，免得有人切断安静的连接。EventSource 不显示它。',
  payback: '支付平台通知的是服务器，不是浏览器。',
  unpaid: '没有回应，所以没有支付。平台会再次通知。',
  elsewhere: '有人在别处支付了。（由结果推断。）',
  earlier: '在页面询问之前就已支付：服务器用一行注释这样说。',
  ok: '平台收到 ok，否则会再次通知。后面是被通知的流的数目。',
  refused: '服务器拒绝，这次什么都没有支付。',
  message: '服务器沿着打开的响应推送结果：没有名字的事件，即 message。',
  finish: '名为 finish：不会再有内容了。带这个 id 回来的得到 204。',
  close: '页面关闭连接；否则浏览器会以为断线，又会回来。',
  left: '页面被离开，关闭了它的流：没有人会读。',
  ended: '响应没有 finish 就结束了。这么多毫秒后浏览器再回来。',
  lost: '连接断了。这么多毫秒后浏览器再回来。',
  timeout: '服务器说时间到了：没有人支付。',
  timedOut: '响应没有 finish 就结束了：所以这是超时。',
  stray: '如果页面没有关闭：浏览器会回来，并报出 finish 的 id。',
  noContent: '204：不会再有内容。EventSource 停下，不再回来。',

  wire: '字节',
  hintRequest: '请求；推断的，因为脚本看不到发出的内容',
  hintMore: '请求的一个字段；浏览器还会加别的',
  hintLastId: '这个浏览器最后得到的 id',
  hintStatus: '响应开始；只有版本是推断的',
  hintField: '一个字段，脚本得知的样子',
  hintType: '从这里起是事件流',
  hintEvent: '事件的名字；没有名字的是 message',
  hintId: '回来的浏览器用 Last-Event-ID 报出它',
  hintRetry: '断线后，这么多毫秒再回来',
  hintData: '给页面的一行文字',
  hintComment: '注释：EventSource 不显示它',
  hintBlank: '空行：事件完整了',
  native: '下一个流由浏览器自己的 EventSource 来读：它不显示这些。',

  code: '代码',

  lines: '终端',
  copy: '复制',
  copied: '已复制',

  phone: '手机',
  phoneScan: '扫一扫：手机打开这个地址，就是支付。',
  phoneLoopback: '手机访问不到回环地址。请在网络上监听，并在那里打开本页：',
  phoneLong: '这个地址太长，小二维码放不下。',
};

const texts = { en, zh };

function language() {
  const chosen = location.hash.slice(1);
  if (chosen in texts) return chosen;
  return navigator.language.startsWith('zh') ? 'zh' : 'en';
}

export function say(name) {
  return texts[language()][name];
}

/** Shows that text in the element, now and after a change of language. */
export function showWord(element, name) {
  element.dataset.word = name;
  element.textContent = say(name);
}

export function showAllWords() {
  document.documentElement.lang = language() === 'zh' ? 'zh-CN' : 'en';
  for (const element of document.querySelectorAll('[data-word]')) showWord(element, element.dataset.word);
}

/** The fragment is set through location: with a <base>, a link to `#zh` would lead to another page. */
export function switchLanguage() {
  location.hash = language() === 'zh' ? 'en' : 'zh';
}
