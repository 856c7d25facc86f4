/** Attributes of an element; `true` sets one without a value, `false` and `undefined` leave it out. */
export type Attributes = Record<string, string | number | boolean | undefined>;
type Child = Node | string;

/** Makes an element. Text goes in as text, so no name in the data can become markup. */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  setAttributes(made, attributes);
  made.append(...children);
  return made;
}

/** `element` for SVG. */
export function svgElement<K extends keyof SVGElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): SVGElementTagNameMap[K] {
  const made = document.createElementNS('http://www.w3.org/2000/svg', tag);
  setAttributes(made, attributes);
  made.append(...children);
  return made;
}

/** Sets or removes attributes, as `element` would. */
export function setAttributes(on: Element, attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) on.removeAttribute(name);
    else on.setAttribute(name, value === true ? '' : String(value));
  }
}

/** Text for screen readers only. */
export function hiddenText(text: string): HTMLElement {
  return element('span', { class: 'visually-hidden' }, text);
}

/** Puts exactly these elements into another, without touching it where they are there already: the focus stays. */
export function showExactly(parent: Element, children: readonly Element[]): void {
  const isSame = children.length === parent.childElementCount && children.every((one, i) => parent.children[i] === one);
  if (!isSame) parent.replaceChildren(...children);
}
