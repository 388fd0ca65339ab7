// The item on the page. Its texts are strangers': they become text, never markup.
import { $ } from "./kept.js";

const WORDS = { a: "the first text", b: "the second text", tie: "equally good" };

export function words(answer) {
  const value = Object.values(answer)[0];
  if (Array.isArray(value)) return value.length ? value.join(", ") : "none of the classes";
  return answer.preferred ? WORDS[value] : String(value);
}

export const percent = (share) => `${Math.round(100 * share)} % sure`;

export function line(element, before, text, after = "") {
  const isolated = document.createElement("bdi");
  isolated.textContent = text;
  element.replaceChildren(before, isolated, after);
  element.hidden = false;
}

export function showItem(item) {
  $("text").textContent = item.text;
  if (item.pair && $("pair")) { $("pair-a").textContent = item.pair[0]; $("pair-b").textContent = item.pair[1]; }
  $("metadata").replaceChildren();
  for (const [key, value] of Object.entries(item.metadata)) {
    const name = document.createElement("dt"), detail = document.createElement("dd");
    name.textContent = key;
    detail.textContent = typeof value === "object" ? JSON.stringify(value) : String(value);
    name.dir = detail.dir = "auto";
    $("metadata").append(name, detail);
  }
  const suggestion = item.suggestion && Object.keys(item.suggestion.answer).length ? item.suggestion : null;
  $("suggestion").hidden = !suggestion;
  if (suggestion) {
    const sure = suggestion.confidence === null ? "" : ` (${percent(suggestion.confidence)})`;
    line($("suggestion"), `${suggestion.annotator} suggests: `, words(suggestion.answer), sure);
  }
  $("before").hidden = !(item.said && item.said.answer);
  if (item.said && item.said.answer) line($("before"), "You answered: ", words(item.said.answer), ". Another answer replaces it.");
}
