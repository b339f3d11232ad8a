// What a person says of an answer: that it is right, or what is right.

import { labelOf, spansOf } from "./answer.js";
import { announce, byId, element } from "./dom.js";
import { asked, request, uuid } from "./server.js";
import { SpanEditor } from "./span_editor.js";

/** Offers to approve or correct one answer, and sends what was chosen. */
export class Feedback {
  #served;
  #question;
  #answer;
  #hueOf;
  #view; // the answer, in whose place a correction is made
  #done;
  #sending = null;

  /** `done` is called when the server has what was said. */
  constructor(served, question, answer, hueOf, view, done) {
    this.#served = served;
    this.#question = question;
    this.#answer = answer;
    this.#hueOf = hueOf;
    this.#view = view;
    this.#done = done;
    this.element = element("div", {});
    this.#offer();
  }

  #offer() {
    const approve = button("Approve", () => this.#send(approve, { verdict: "approved" }), "primary");
    const correct = button("Correct", () => this.#correct());
    this.element.replaceChildren(
      element("p", { id: "verdict" }, "Is this right?"),
      element("div", { className: "actions", role: "group", "aria-labelledby": "verdict" }, approve, correct),
      complaint(),
    );
  }

  #correct() {
    const editor = this.#editor();
    const before = JSON.stringify(editor.correction);
    const send = button("Send correction", () => {
      if (JSON.stringify(editor.correction) !== before)
        this.#send(send, { verdict: "corrected", correction: editor.correction });
      else this.#complain("Nothing is changed. If the answer is right, cancel, and approve it.");
    }, "primary");
    const cancel = button("Cancel", () => {
      this.#close();
      this.#offer();
      this.element.querySelector("button").focus();
    });
    this.#view.hidden = this.#served.answers === "spans";
    this.element.replaceChildren(
      editor.element,
      element("div", { className: "actions" }, send, cancel),
      complaint(),
    );
    editor.focus();
  }

  #editor() {
    if (this.#served.answers !== "spans") return labelEditor(this.#served.labels, labelOf(this.#answer));
    const spans = spansOf(this.#answer) ?? [];
    return new SpanEditor(this.#question.body, spans, this.#served.labels, this.#hueOf);
  }

  #close() {
    this.#view.hidden = false;
  }

  /** The same words are sent under the same id, however often: the server keeps them once. */
  async #send(pressed, said) {
    const content = JSON.stringify(said);
    if (this.#sending?.content !== content) this.#sending = { content, id: uuid() };
    this.#disable(true);
    try {
      const body = {
        id: this.#sending.id,
        modelId: this.#served.modelId,
        digest: this.#served.digest,
        ...(await asked(this.#question)),
        ...said,
      };
      await request(this.#served.links.feedback, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(body),
      });
    } catch (problem) {
      this.#disable(false);
      this.#failed(problem, pressed);
      return;
    }
    if (!this.element.isConnected) return; // something else was asked meanwhile
    this.#close();
    const thanks = `Thank you: ${said.verdict}. What you said is kept.`;
    this.element.replaceChildren(element("p", { className: "thanks" }, thanks));
    announce(thanks);
    this.#done();
  }

  /** Nothing else can be said until the server has answered. */
  #disable(disabled) {
    for (const each of this.element.querySelectorAll("button")) each.disabled = disabled;
  }

  #failed(problem, pressed) {
    if (problem.status === 409) {
      const reload = button("Reload", () => location.reload(), "primary");
      this.#complain("Another model is served by now. Reload the page, and ask that one.");
      this.element.querySelector(".actions").replaceChildren(reload);
      reload.focus();
    } else {
      this.#complain(`It was not sent: ${problem.message} You can try again.`);
      pressed.focus();
    }
  }

  #complain(text) {
    this.element.querySelector(".problem").textContent = text;
  }
}

function button(label, pressed, className = "") {
  const made = element("button", { type: "button", className }, label);
  made.addEventListener("click", pressed);
  return made;
}

const complaint = () => element("p", { className: "problem", role: "alert" });

function labelEditor(labels, current) {
  const choices = labels.map((label) =>
    element(
      "label",
      {},
      element("input", { type: "radio", name: "label", value: label, checked: label === current }),
      element("span", {}, label),
    ),
  );
  const fields = element("fieldset", { className: "labels" }, element("legend", {}, "The right label is"), ...choices);
  const checked = () => fields.querySelector("input:checked");
  return {
    element: fields,
    get correction() {
      return { label: checked()?.value ?? null };
    },
    focus: () => (checked() ?? fields.querySelector("input"))?.focus(),
  };
}
