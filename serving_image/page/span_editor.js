// Entities corrected by hand. The words are a listbox of which one stretch is selected, with the
// keys that the ARIA Authoring Practices give it (arrows, Shift, Home, End) or with the pointer.

import { announce, element } from "./dom.js";
import { codePoints, words } from "./text.js";

export class SpanEditor {
  #points;
  #words;
  #spans;
  #labels;
  #hueOf;
  #options = [];
  #anchor = 0; // the selection: words from #anchor to #active, in either order
  #active = 0;
  #list;

  /** `spans` are `[{start, end, label}]` in code points of `text`. */
  constructor(text, spans, labels, hueOf) {
    this.#points = codePoints(text);
    this.#words = words(text, spans);
    this.#spans = spans.map(({ start, end, label }) => ({ start, end, label }));
    this.#labels = labels;
    this.#hueOf = hueOf;
    this.#list = element("div", {
      className: "text words",
      role: "listbox",
      tabIndex: 0,
      dir: "auto",
      "aria-label": "Words of the text",
      "aria-multiselectable": "true",
      "aria-orientation": "horizontal",
      "aria-describedby": "words-hint",
    });
    this.#list.addEventListener("keydown", (event) => this.#pressed(event));
    this.#list.addEventListener("pointerdown", (event) => this.#pointed(event));
    this.#list.addEventListener("pointerover", (event) => event.buttons && this.#extended(event));
    this.#draw();
    this.element = element(
      "div",
      {},
      element(
        "p",
        { id: "words-hint", className: "hint" },
        "Select words with the arrow keys and Shift, or drag over them; then choose what they are.",
      ),
      this.#list,
      this.#buttons(),
    );
  }

  /** What is marked now, in order. */
  get correction() {
    return { spans: this.#spans };
  }

  focus() {
    this.#list.focus();
  }

  #buttons() {
    const buttons = this.#labels.map((label, index) => {
      const digit = index < 9 ? String(index + 1) : "";
      const button = element("button", { type: "button" }, element("span", { className: `tag ${this.#hueOf(label)}` }, label));
      if (digit) {
        button.prepend(element("kbd", { "aria-hidden": "true" }, digit));
        button.setAttribute("aria-keyshortcuts", digit);
      }
      button.addEventListener("click", () => this.#tag(label));
      return button;
    });
    const none = element(
      "button",
      { type: "button", "aria-keyshortcuts": "Delete" },
      element("kbd", { "aria-hidden": "true" }, "Del"),
      "No entity",
    );
    none.addEventListener("click", () => this.#untag());
    return element("div", { className: "tags", role: "group", "aria-label": "The selected words are" }, ...buttons, none);
  }

  // The list

  #draw() {
    this.#options = this.#words.map(({ start, end }, index) => {
      const word = this.#points.slice(start, end).join("");
      return element("span", { role: "option", id: `word-${index}` }, word);
    });
    const nodes = [];
    let inside = null;
    let place = 0;
    this.#words.forEach(({ start, end }, index) => {
      const space = this.#points.slice(place, start).join("");
      const span = this.#spans.find((one) => one.start <= start && end <= one.end);
      if (span && span === inside?.span) inside.group.append(space, this.#options[index]);
      else {
        nodes.push(space);
        inside = span ? { span, group: this.#group(span) } : null;
        inside?.group.append(this.#options[index]);
        nodes.push(inside?.group ?? this.#options[index]);
      }
      place = end;
    });
    for (const group of nodes.filter((node) => node.dataset?.tag))
      group.append(element("span", { className: "tag", "aria-hidden": "true" }, ` ${group.dataset.tag}`));
    this.#list.replaceChildren(...nodes, this.#points.slice(place).join(""));
    this.#select(this.#anchor, this.#active);
  }

  #group({ label }) {
    const group = element("span", { role: "group", className: `entity ${this.#hueOf(label)}`, "aria-label": label });
    group.dataset.tag = label;
    return group;
  }

  #select(anchor, active) {
    [this.#anchor, this.#active] = [anchor, active];
    const [first, last] = [Math.min(anchor, active), Math.max(anchor, active)];
    this.#options.forEach((option, index) => {
      option.setAttribute("aria-selected", String(first <= index && index <= last));
      option.classList.toggle("active", index === active);
    });
    this.#list.setAttribute("aria-activedescendant", `word-${active}`);
  }

  // Keys and pointer

  #pressed(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const digit = Number(event.key);
    if (digit >= 1 && digit <= this.#labels.length) this.#tag(this.#labels[digit - 1]);
    else if (event.key === "Delete" || event.key === "Backspace") this.#untag();
    else {
      const target = this.#target(event.key);
      if (target === null) return;
      this.#select(event.shiftKey ? this.#anchor : target, target);
      this.#options[target].scrollIntoView({ block: "nearest" });
    }
    event.preventDefault();
  }

  /** The word that a key leads to; null for a key that leads nowhere. */
  #target(key) {
    const last = this.#words.length - 1;
    const step = getComputedStyle(this.#list).direction === "rtl" ? -1 : 1;
    const within = (index) => Math.min(Math.max(index, 0), last);
    switch (key) {
      case "ArrowRight":
        return within(this.#active + step);
      case "ArrowLeft":
        return within(this.#active - step);
      case "ArrowDown":
        return this.#onNextLine(1);
      case "ArrowUp":
        return this.#onNextLine(-1);
      case "Home":
        return 0;
      case "End":
        return last;
      default:
        return null;
    }
  }

  #onNextLine(step) {
    const middle = (index) => {
      const { left, width } = this.#options[index].getBoundingClientRect();
      return left + width / 2;
    };
    const top = (index) => this.#options[index].getBoundingClientRect().top;
    const tall = this.#options[this.#active].getBoundingClientRect().height;
    let best = this.#active;
    let line = null;
    for (let index = this.#active + step; index in this.#options; index += step) {
      if (Math.abs(top(index) - top(this.#active)) < tall / 2) continue;
      line ??= top(index);
      if (Math.abs(top(index) - line) >= tall / 2) break;
      const isNearer = Math.abs(middle(index) - middle(this.#active)) < Math.abs(middle(best) - middle(this.#active));
      if (best === this.#active || isNearer) best = index;
    }
    return best;
  }

  #pointed(event) {
    const index = this.#options.indexOf(event.target);
    if (index < 0 || event.button !== 0) return;
    this.#list.focus();
    event.preventDefault(); // the browser's own selection would be in the way
    event.target.releasePointerCapture(event.pointerId); // so that a finger's way is told too
    this.#select(event.shiftKey ? this.#anchor : index, index);
  }

  #extended(event) {
    const index = this.#options.indexOf(event.target);
    if (index >= 0) this.#select(this.#anchor, index);
  }

  // The spans

  /** The selected stretch; of a single word in an entity, the entity's. */
  #stretch() {
    const [first, last] = [Math.min(this.#anchor, this.#active), Math.max(this.#anchor, this.#active)];
    const stretch = { start: this.#words[first].start, end: this.#words[last].end };
    const around = this.#spans.find(({ start, end }) => start <= stretch.start && stretch.end <= end);
    return first === last && around ? { start: around.start, end: around.end } : stretch;
  }

  #tag(label) {
    const stretch = this.#stretch();
    this.#spans = [...this.#without(stretch), { ...stretch, label }].sort((a, b) => a.start - b.start);
    this.#draw();
    announce(`${this.#points.slice(stretch.start, stretch.end).join("")}: ${label}`);
  }

  #untag() {
    const stretch = this.#stretch();
    this.#spans = this.#without(stretch);
    this.#draw();
    announce(`${this.#points.slice(stretch.start, stretch.end).join("")}: no entity`);
  }

  #without(stretch) {
    return this.#spans.filter(({ start, end }) => end <= stretch.start || stretch.end <= start);
  }
}
