// Criticising texts: what is wrong with some of an item, and what is written instead, go out as answers do.
import { $, config } from "./kept.js";
import { trouble } from "./calls.js";
import { countWaiting, put, send } from "./outbox.js";

function begin(form) {
  const item = config.items[form.dataset.item];
  form.elements.instead.value = item.own;
  for (const field of form.querySelectorAll("[data-candidate]")) {
    field.value = item.said[item.texts[field.dataset.candidate]] || "";
    field.closest("details").addEventListener("toggle", ({ target }) => {
      form.querySelector(".instead").hidden = !form.querySelector(".criticise[open]");
      if (target.open) field.focus();
    });
  }
  form.addEventListener("submit", (event) => { event.preventDefault(); criticise(form, item); });
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
}

function criticise(form, item) {
  const critiques = [...form.querySelectorAll("[data-candidate]")]
    .filter((field) => field.value.trim())
    .map((field) => ({ text: item.texts[field.dataset.candidate], critique: field.value.trim() }));
  if (!critiques.length) return trouble("Say what has to be changed in one of the texts at least.");
  trouble("");
  $("kept").hidden = false;
  // On its own, so that others do not suffer where it is refused; the form keeps what was typed.
  const instead = form.elements.instead.value;
  const said = instead.trim() ? { answer: { text: instead }, critiques } : { skip: true, critiques };
  put({ item_id: item.id, lease_id: "", request_id: crypto.randomUUID(), said });
}

document.querySelectorAll("form[data-item]").forEach(begin);
window.addEventListener("online", send);
setInterval(send, 2000);
countWaiting();
send();
