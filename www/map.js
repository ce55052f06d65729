// The code beside the bytes, of the step that is pointed at.

import { element, reveal } from './dom.js';

const map = element('map');

function mark({ detail: step }) {
  for (const entry of map.children) entry.classList.toggle('marked', entry.dataset.steps.split(' ').includes(step.name));
  const marked = map.querySelector('.marked');
  if (marked) reveal(map, marked);
}

element('view').addEventListener('pointed', mark);
