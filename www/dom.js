// The few things that everything on the page needs of the page.

export const element = (id) => document.getElementById(id);

/** A new element with this class, and text: what is said is never markup. */
export function make(name, className = '', textContent = '') {
  return Object.assign(document.createElement(name), { className, textContent });
}

/** Scrolls the box, and nothing around it, until the item in it is to be seen. */
export function reveal(box, item) {
  const [outer, inner] = [box, item].map((it) => it.getBoundingClientRect());
  if (inner.bottom > outer.bottom) box.scrollTop += inner.bottom - outer.bottom;
  const hidden = outer.top - item.getBoundingClientRect().top;
  if (hidden > 0) box.scrollTop -= hidden;
}
