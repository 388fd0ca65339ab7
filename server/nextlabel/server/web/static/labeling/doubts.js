// Why an item is looked at again: the label that it has, who said what, and how sure they were.
import { $ } from "./kept.js";
import { line, percent, words } from "./card.js";

const isolated = (text) => Object.assign(document.createElement("bdi"), { textContent: text });

function entry(before, text, ...after) {
  const said = document.createElement("li");
  line(said, before, text);
  said.append(...after);
  return said;
}

function answered({ annotator, kind, answer, confidence, rationale }) {
  const sure = confidence === null ? "" : `, ${percent(confidence)}`;
  return entry("", words(answer), " by ", isolated(annotator), ` (${kind}${sure})`, ...(rationale ? [": ", isolated(rationale)] : []));
}

export function showDoubts(doubted) {
  $("doubted").hidden = false;
  $("given").replaceChildren();
  if (!doubted) {
    line($("why"), "", "Not labeled yet", ": the learner is so unsure of it that a look is worth as much as at a doubtful label.");
    return;
  }
  const sure = doubted.confidence === null ? "" : ` (${percent(doubted.confidence)})`;
  line($("why"), "Labeled ", doubted.label, `${sure}. Why it is here: ${doubted.why}.`);
  const said = doubted.answers.map(answered);
  if (doubted.other) said.push(entry("", doubted.other, " by learner and neighbours, which have not seen this label"));
  said.push(...doubted.filtered_by.map((name) => entry("left out by filter ", name)));
  $("given").replaceChildren(...said);
}
