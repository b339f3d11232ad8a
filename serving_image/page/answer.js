// An answer as people want to see it: marks in the text, bars, or JSON laid out.

import { details, element, json, percent } from "./dom.js";
import { codePoints } from "./text.js";

const HUES = 8; // that page.css knows
const SHOWN_SCORES = 10;

/** A function that gives each label its colour's class: the model's own labels in order, then others. */
export function hues(labels) {
  const known = [...labels];
  return (label) => {
    if (!known.includes(label)) known.push(label);
    return `hue-${known.indexOf(label) % HUES}`;
  };
}

/** The spans of an answer, `[{start, end, label, score}]`; null where it has another shape. */
export function spansOf(answer) {
  if (!Array.isArray(answer)) return null;
  const spans = answer.map((item) => ({
    start: item?.start,
    end: item?.end,
    label: item?.tag ?? item?.label,
    score: item?.score,
  }));
  const isSpan = ({ start, end, label }) =>
    Number.isInteger(start) && Number.isInteger(end) && typeof label === "string";
  return spans.every(isSpan) ? spans : null;
}

/** The scores of an answer, `[[label, share]]` from the highest; null where it has another shape. */
export function scoresOf(answer) {
  const scores = answer?.scores;
  if (!scores || typeof scores !== "object" || Array.isArray(scores)) return null;
  const entries = Object.entries(scores);
  if (!entries.length || !entries.every(([, share]) => typeof share === "number")) return null;
  return entries.sort(([, a], [, b]) => b - a);
}

/** The label that an answer has chosen, or null. */
export function labelOf(answer) {
  const scores = scoresOf(answer);
  if (!scores) return typeof answer?.label === "string" ? answer.label : null;
  const named = Object.values(answer).find((value) => scores.some(([label]) => label === value));
  return named ?? scores[0][0];
}

/** The answer as an element, and in words. `text` is what was asked, null if that was no text. */
export function shown(answer, text, hueOf) {
  const spans = text === null ? null : spansOf(answer);
  if (spans) return { view: marked(text, spans, hueOf), words: spansInWords(text, spans) };
  const scores = scoresOf(answer);
  if (!scores) return { view: json(answer, "Answer as JSON"), words: "The model has answered." };
  const label = labelOf(answer);
  const share = scores.find(([name]) => name === label)?.[1] ?? scores[0][1];
  return { view: bars(scores, label), words: `${label}, ${percent(share)}` };
}

function spansInWords(text, spans) {
  if (!spans.length) return "No entities.";
  const points = codePoints(text);
  const found = spans.map(({ start, end, label }) => `${points.slice(start, end).join("")}: ${label}`);
  return `${spans.length === 1 ? "1 entity" : `${spans.length} entities`}. ${found.join("; ")}`;
}

function marked(text, spans, hueOf) {
  const points = codePoints(text);
  const view = element("p", { className: "text", dir: "auto" });
  let place = 0;
  for (const { start, end, label, score } of spans) {
    const tag = typeof score === "number" ? `${label} ${percent(score)}` : label;
    view.append(
      points.slice(place, start).join(""),
      element(
        "mark",
        { className: `entity ${hueOf(label)}` },
        points.slice(start, end).join(""),
        element("span", { className: "tag" }, ` ${tag}`),
      ),
    );
    place = end;
  }
  view.append(points.slice(place).join(""));
  return element("div", {}, view, legend(spans, hueOf));
}

function legend(spans, hueOf) {
  if (!spans.length) return element("p", { className: "hint" }, "The model found no entities.");
  const counts = new Map();
  for (const { label } of spans) counts.set(label, (counts.get(label) ?? 0) + 1);
  const items = [...counts].map(([label, count]) =>
    element("li", {}, element("span", { className: `tag ${hueOf(label)}` }, label), ` × ${count}`),
  );
  return element("ul", { className: "legend", "aria-label": "Legend" }, ...items);
}

function bars(scores, chosen) {
  const rows = scores.map(([label, share]) => {
    const fill = element("span", { className: "fill" });
    fill.style.width = percent(Math.min(Math.max(share, 0), 1)); // CSSOM, which the policy allows
    return element(
      "li",
      { className: label === chosen ? "chosen" : "" },
      element("span", { className: "label" }, label),
      element("span", { className: "track", "aria-hidden": "true" }, fill),
      element("span", { className: "share" }, percent(share)),
    );
  });
  const first = element("ol", { className: "scores" }, ...rows.slice(0, SHOWN_SCORES));
  const others = rows.slice(SHOWN_SCORES);
  if (!others.length) return first;
  const rest = element("ol", { className: "scores", start: SHOWN_SCORES + 1 }, ...others);
  return element("div", {}, first, details(`${others.length} more`, rest));
}
