// What the page asks of its server, with the API key where the server wants one.

import { byId } from "./dom.js";

const KEY = "trainshed-key";

/** An answer that is none. `status` is HTTP's, 0 where the server did not answer. */
export class Problem extends Error {
  constructor(status, detail, retrySeconds) {
    super(detail);
    this.status = status;
    this.retrySeconds = retrySeconds;
  }
}

/** A response with a 2xx status. Throws `Problem`; a missing key is asked for, and tried. */
export async function request(path, { headers = {}, ...options } = {}) {
  for (;;) {
    const key = sessionStorage.getItem(KEY);
    const response = await answered(path, {
      ...options,
      cache: "no-store",
      headers: key ? { ...headers, "X-Api-Key": bytes(key) } : headers,
    });
    if (response.ok) return response;
    const problem = await explained(response);
    if (response.status !== 401) throw problem;
    sessionStorage.setItem(KEY, await askForKey(key ? problem.message : ""));
  }
}

async function answered(path, options) {
  try {
    return await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, "The server does not answer.");
  }
}

async function explained(response) {
  const retry = Number(response.headers.get("Retry-After")) || undefined;
  const fallback = `The server answered ${response.status} ${response.statusText}`;
  const { detail = fallback } = await response.json().catch(() => ({}));
  return new Problem(response.status, detail, retry);
}

/** The UTF-8 of a text, as a header takes it. */
const bytes = (text) => String.fromCharCode(...new TextEncoder().encode(text));

function askForKey(problem) {
  const dialog = byId("key-dialog");
  byId("key-problem").textContent = problem;
  byId("key").value = "";
  return new Promise((resolve, reject) => {
    byId("key-form").onsubmit = () => resolve(byId("key").value.trim());
    dialog.oncancel = () => reject(new Problem(401, "Without its key the server does not answer."));
    if (!dialog.open) dialog.showModal();
  });
}

/** What is served, once its model is ready; `waiting` is called with the reason until then. */
export async function served(waiting) {
  for (;;) {
    const seconds = await request("/readyz").then(() => 0, (problem) => retrySeconds(problem, waiting));
    if (!seconds) {
      const told = await (await request("/", { headers: { Accept: "application/json" } })).json();
      if (told.media_types.length) return told;
    } // else another process of the server has answered, whose model is not ready
    await new Promise((resolve) => setTimeout(resolve, 1000 * (seconds || 1)));
  }
}

function retrySeconds(problem, waiting) {
  if (problem.status !== 503 || !problem.retrySeconds) throw problem;
  waiting(problem.message);
  return problem.retrySeconds;
}

/** The model's answer to a question: `{body, mediaType}`. */
export async function ask(path, { body, mediaType }, signal) {
  const options = { method: "POST", headers: { "Content-Type": mediaType }, body, signal };
  return (await request(path, options)).json();
}

/** The members of a feedback that say what was asked. */
export async function asked({ body, mediaType }) {
  if (mediaType === "text/plain") return { text: body };
  return { content: await base64(new Blob([body])), media_type: mediaType };
}

function base64(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}

/** Follow a link with the key, which a browser does not send by itself. */
export async function download(path, name) {
  const url = URL.createObjectURL(await (await request(path)).blob());
  Object.assign(document.createElement("a"), { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000); // some browsers read it after the click
}

export const hasKey = () => sessionStorage.getItem(KEY) !== null;

/** A version 4 UUID. `crypto.randomUUID` is only there over HTTPS. */
export function uuid() {
  const random = crypto.getRandomValues(new Uint8Array(16));
  random[6] = (random[6] & 0x0f) | 0x40;
  random[8] = (random[8] & 0x3f) | 0x80;
  const hex = Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
