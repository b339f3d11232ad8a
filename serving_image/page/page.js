// The page of a served model: ask, see the answer, approve or correct it.

import { about } from "./about.js";
import { hues, shown } from "./answer.js";
import { announce, byId, element } from "./dom.js";
import { Feedback } from "./feedback.js";
import { question as fileQuestion } from "./picture.js";
import { ask, served as describe } from "./server.js";

const TEXTS = ["text/plain", "application/json"];
const FORM = "multipart/form-data";

let asking = new AbortController();

function complain(problem) {
  if (problem.name !== "AbortError") byId("problem").textContent = problem.message;
}

/** Ask what `makeQuestion` gives, and show the answer; an earlier one is not waited for any more. */
async function answer(served, makeQuestion, picture, again) {
  asking.abort();
  asking = new AbortController();
  const { signal } = asking;
  byId("problem").textContent = "";
  byId("answer").hidden = true;
  byId("ask").setAttribute("aria-busy", "true");
  try {
    const question = await makeQuestion();
    const result = await ask(served.links.predict[0], question, signal);
    if (!signal.aborted) show(served, question, result, picture, again);
  } catch (problem) {
    if (!signal.aborted) complain(problem);
  } finally {
    if (!signal.aborted) byId("ask").removeAttribute("aria-busy");
  }
}

function show(served, question, result, picture, again) {
  const hueOf = hues(served.labels ?? []);
  const text = question.mediaType === "text/plain" ? question.body : null;
  const { view, words } = shown(result, text, hueOf);
  const note = question.note && element("figcaption", { className: "hint" }, question.note);
  const parts = picture ? [element("figure", { className: "asked" }, picture, note), view] : [view];
  byId("result").replaceChildren(...parts);
  byId("result").classList.toggle("with-picture", Boolean(picture));
  byId("feedback").replaceChildren(...offered(served, question, result, hueOf, view, again));
  byId("answer").hidden = false;
  announce(words);
}

/** What can be said to an answer. */
function offered(served, question, ...rest) {
  if (!served.feedback) return [];
  if (new Blob([question.body]).size <= served.max_feedback_bytes)
    return [new Feedback(served, question, ...rest).element];
  const most = `${Math.floor(served.max_feedback_bytes / 1024)} KB`;
  return [element("p", { className: "hint" }, `What is over ${most} cannot be approved or corrected.`)];
}

function offerText(served, mediaType) {
  const field = byId("text");
  const form = byId("text-form");
  if (mediaType !== "text/plain") byId("text-label").textContent = mediaType;
  const again = () => {
    field.focus();
    field.select();
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const body = field.value;
    answer(served, () => ({ body, mediaType }), null, again);
  });
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  form.hidden = false;
}

function offerFile(served, accepted) {
  const chooser = byId("file");
  const arePictures = accepted.every((type) => type.startsWith("image/"));
  chooser.accept = arePictures ? "image/*" : accepted.join(",");
  if (!arePictures) byId("file-label").textContent = "Choose a file";
  const take = (file) => {
    const picture = file.type.startsWith("image/") ? preview(file) : null;
    answer(served, () => fileQuestion(file, accepted, served.max_feedback_bytes), picture, () => chooser.focus());
  };
  chooser.addEventListener("change", () => {
    if (chooser.files.length) take(chooser.files[0]);
    chooser.value = ""; // so that the same file can be chosen again
  });
  document.addEventListener("paste", (event) => {
    if (event.clipboardData.files.length) take(event.clipboardData.files[0]);
  });
  const drop = byId("drop");
  document.addEventListener("dragover", (event) => {
    event.preventDefault(); // else the browser leaves the page for the file
    drop.classList.add("over");
  });
  document.addEventListener("dragleave", () => drop.classList.remove("over"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    if (event.dataTransfer.files.length) take(event.dataTransfer.files[0]);
  });
  byId("file-form").hidden = false;
}

function preview(file) {
  const url = URL.createObjectURL(file);
  const picture = element("img", { src: url, alt: `Your picture, ${file.name}` });
  picture.addEventListener("load", () => URL.revokeObjectURL(url));
  return picture;
}

async function start() {
  const served = await describe((reason) => {
    byId("subtitle").textContent = reason;
    announce(reason);
  });
  const name = served.modelId.slice(0, -37); // a hyphen and a UUID
  document.title = `${name} · Trainshed`;
  byId("name").textContent = name;
  byId("subtitle").textContent = `A model of type ${served.model_type}, served by Trainshed`;
  const files = served.media_types.filter((type) => !TEXTS.includes(type) && type !== FORM);
  const text = TEXTS.find((type) => served.media_types.includes(type));
  if (text === "text/plain" || (text && !files.length)) offerText(served, text);
  if (files.length) offerFile(served, files);
  byId("ask").hidden = false;
  byId("served").append(...(await about(served)));
  byId("served").hidden = false;
}

start().catch(complain);
