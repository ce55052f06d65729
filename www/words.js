// What the page says, in English and in Chinese.
//
// An element with data-word shows the text of that name, in the language of the moment. The address ends in #zh or
// #en once somebody has chosen; otherwise the browser's own language decides.

const texts = {
  en: {
    otherLanguage: '中文',
    newOrder: 'New order ↗',
    order: 'Order',

    connecting: 'Connecting',
    waiting: 'Waiting for payment',
    paid: 'Paid',
    reconnecting: 'Reconnecting',
    'timed-out': 'Timed out',
    crowded: 'No connection left',
    crowdedWhy: 'A browser opens at most six connections to one host, for all its tabs together. Five are held by '
      + 'streams; the sixth stays free to load pages and to pay. This tab connects as soon as one of the five ends. '
      + '(HTTP/2 carries many streams on one connection.)',
    timeLeft: 'Time left',
    connections: 'Connections made',
    received: 'What has arrived',

    pay: 'Pay',
    again: 'Wait again',
    wait: 'Wait for the timeout',
    lose: 'Lose the connection',
    text: 'Text of one’s own',
    payText: 'Pay with this text',
    needsToken: 'Only who knows the token can pay. With TOKEN in its place:',

    browser: 'Browser',
    platform: 'Payment platform',
    get: 'The browser asks, once. From now on it only listens.',
    getAgain: 'The browser comes back by itself, and says where it left off.',
    open: 'The answer has begun and does not end: the server can speak at any time.',
    payback: 'The platform tells the server, not the browser.',
    elsewhere: 'Somebody paid elsewhere; the open answer tells the browser.',
    fromElsewhere: 'from elsewhere',
    message: 'The server pushes the result. Nobody had to ask again.',
    finish: 'An event with a name: that was all.',
    ok: 'The platform hears ok. Without it, it would try again.',
    refused: 'The server refuses, and says why. Nothing is settled.',
    close: 'The page closes its EventSource, or the browser would come back.',
    timeout: 'Nobody has paid in time. The server says so and lets the browser go.',
    lost: 'The line is down. An EventSource waits a moment and comes back.',
    connectionLost: 'connection lost',
    unanswered: 'Nobody answers. The browser tries again, and again.',
    noAnswer: 'no answer',
    heartbeat: 'A heartbeat: a comment, to keep the line alive. An EventSource hides it.',
    second: 'The wire has its own connection: a second waiter of this order.',
    secondWaiter: 'second waiter',

    wire: 'The wire',
    wireWhy: 'Every byte, also what an EventSource hides. A second waiter reads it, only while this is open. '
      + 'Point at a line.',
    hintEvent: 'the event’s name; one without data reaches nobody',
    hintId: 'a place in the stream: who comes back names it as Last-Event-ID',
    hintRetry: 'when the line drops, come back after so many ms',
    hintData: 'a line of the text that the page is given',
    hintComment: 'a comment: the heartbeat of a quiet line',
    hintBlank: 'an empty line: the event is complete, dispatch it',
    hintEnd: 'the server has closed; an EventSource would now come back',

    lines: 'In a terminal',
    linesWait: 'Wait, as the browser does',
    linesPay: 'Pay, as the platform does',
    copy: 'Copy',
    copied: 'Copied',

    phone: 'Pay by phone',
    phoneScan: 'Scan it: the phone opens this address, and that is the payment.',
    phoneLoopback: 'No phone can reach this loopback address. Listen on the network, and open the page at this '
      + 'computer’s address there:',
    phoneLong: 'This address is too long for a small code.',
  },
  zh: {
    otherLanguage: 'English',
    newOrder: '新订单 ↗',
    order: '订单',

    connecting: '正在连接',
    waiting: '等待支付',
    paid: '已支付',
    reconnecting: '正在重连',
    'timed-out': '已超时',
    crowded: '没有空闲连接',
    crowdedWhy: '浏览器对同一主机最多打开六个连接，所有标签页共用。五个已被事件流占用；第六个留着加载页面和支付。'
      + '五个之中有一个结束，本页就连接。（HTTP/2 让许多流共用一个连接。）',
    timeLeft: '剩余时间',
    connections: '连接次数',
    received: '收到的内容',

    pay: '支付',
    again: '再等一次',
    wait: '等到超时',
    lose: '断开连接',
    text: '自己的文字',
    payText: '用这段文字支付',
    needsToken: '知道令牌的人才能支付。把 TOKEN 换成令牌：',

    browser: '浏览器',
    platform: '支付平台',
    get: '浏览器只问一次，之后只管听。',
    getAgain: '浏览器自己回来，并说明上次读到哪里。',
    open: '响应开始了，但不结束：服务器随时可以说话。',
    payback: '支付平台通知的是服务器，不是浏览器。',
    elsewhere: '有人在别处支付；打开的响应告诉了浏览器。',
    fromElsewhere: '来自别处',
    message: '服务器把结果推过来，没有人再问一次。',
    finish: '一个有名字的事件：到此为止。',
    ok: '平台收到 ok；收不到就会再试。',
    refused: '服务器拒绝并说明原因，什么都没有结算。',
    close: '页面关闭 EventSource；否则浏览器会再回来。',
    timeout: '没有人按时支付。服务器说明后放走浏览器。',
    lost: '连接断了。EventSource 等一会儿，自己回来。',
    connectionLost: '连接断开',
    unanswered: '没有回应。浏览器一次又一次地重试。',
    noAnswer: '没有回应',
    heartbeat: '心跳：一行注释，让连接保持活着。EventSource 从不显示它。',
    second: '线路面板有自己的连接：这个订单的第二个等待者。',
    secondWaiter: '第二个等待者',

    wire: '线路上的字节',
    wireWhy: '每一个字节，包括 EventSource 隐藏的。由第二个等待者读取，只在本面板打开时。指向一行看解释。',
    hintEvent: '事件的名字；没有 data 的事件谁也收不到',
    hintId: '流中的位置：回来的浏览器用 Last-Event-ID 报出它',
    hintRetry: '连接断了，这么多毫秒后再来',
    hintData: '交给页面的一行文字',
    hintComment: '注释：安静时的心跳',
    hintBlank: '空行：事件完整，可以派发',
    hintEnd: '服务器关闭了；EventSource 这时会再回来',

    lines: '在终端里',
    linesWait: '像浏览器一样等待',
    linesPay: '像平台一样支付',
    copy: '复制',
    copied: '已复制',

    phone: '用手机支付',
    phoneScan: '扫一扫：手机打开这个地址，就是支付。',
    phoneLoopback: '手机访问不到这个回环地址。请在网络上监听，再用这台电脑的网络地址打开本页：',
    phoneLong: '这个地址太长，小二维码放不下。',
  },
};

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
