// What is served: the model, its scores and its training.

import { byId, details, element, json, percent, table } from "./dom.js";
import { download, hasKey, request } from "./server.js";

const when = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "short" });

/** What `GET /` said, as elements. */
export async function about(served) {
  return [
    facts(served),
    scores(served.metrics),
    await curves(served),
    links(served),
    details("Ask from a program", example(served)),
  ].filter(Boolean);
}

function facts({ modelId, model_type, attempt, created_at, digest, metrics }) {
  const list = element("dl", {});
  const fact = (name, value) => list.append(element("div", {}, element("dt", {}, name), element("dd", {}, value)));
  if (typeof metrics?.score === "number") fact(metrics.score_name ?? "Score", element("strong", {}, percent(metrics.score)));
  fact("Model type", model_type);
  fact("Trained", element("time", { dateTime: created_at }, when.format(new Date(created_at))));
  fact("Model", element("code", {}, modelId));
  if (attempt > 1) fact("Attempt", String(attempt));
  fact("Digest", element("code", {}, digest));
  return list;
}

function scores(metrics) {
  if (!metrics) return null;
  const labels = Object.entries(metrics.labels ?? {});
  if (!labels.length) return details("Figures of the test part", json(metrics, "Figures"));
  return figures("On the test part", labels.map(([label, row]) => ({ label, ...row })));
}

async function curves({ links, history }) {
  if (!links.curves) return null;
  const picture = element("img", { alt: "Curves of the loss and the score after each epoch" });
  try {
    picture.src = URL.createObjectURL(await (await request(links.curves)).blob());
  } catch {
    return null; // the figures below say the same
  }
  const epochs = history.length ? [details("The same in figures", figures("Each epoch", history))] : [];
  return element("figure", {}, picture, ...epochs);
}

function links({ links }) {
  const list = element("ul", { className: "links" });
  const link = (path, name, text) => {
    const anchor = element("a", { href: path, download: name }, text);
    anchor.addEventListener("click", (event) => {
      if (!hasKey()) return;
      event.preventDefault();
      download(path, name).catch((problem) => (byId("problem").textContent = problem.message));
    });
    list.append(element("li", {}, anchor));
  };
  if (links.feedback_csv) link(links.feedback_csv, "feedback.csv", "All feedback, as CSV");
  link(links.openapi, "openapi.json", "The interface, as OpenAPI");
  return list;
}

function example({ links, media_types }) {
  const [media] = media_types;
  const body = media === "text/plain" ? "--data 'A text'" : "--data-binary @file";
  const lines = [
    `curl -X POST ${location.origin}${links.predict[0]}`,
    `  -H 'Content-Type: ${media}'`,
    ...(hasKey() ? [`  -H "X-Api-Key: $key"`] : []),
    `  ${body}`,
  ];
  return element("pre", { tabIndex: 0, role: "region", "aria-label": "Example" }, lines.join(" \\\n"));
}

/** A table of rows that are objects of the same members. What is wider than the page is scrolled. */
function figures(caption, rows) {
  const columns = Object.keys(rows[0]).map((name) => {
    const values = rows.map((row) => row[name]);
    const isWhole = values.every((value) => typeof value !== "number" || Number.isInteger(value));
    const shown = (value) => (typeof value === "number" && !isWhole ? value.toFixed(3) : String(value ?? "–"));
    return { title: name.replaceAll("_", " "), cells: values.map(shown) };
  });
  const titles = columns.map(({ title }) => title);
  const lines = rows.map((_, index) => columns.map(({ cells }) => cells[index]));
  const scrolled = { className: "scrolled", tabIndex: 0, role: "region", "aria-label": caption };
  return element("div", scrolled, table(caption, titles, lines));
}
