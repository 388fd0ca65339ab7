// Answers on their way: they are kept in the browser until the server has them, and every call has an id, so that a
// repeated one counts once.
import { $, config, drop, everything, keep } from "./kept.js";
import { connected, mayPass, post, trouble } from "./calls.js";

let sending = false, pending = 0, counting = 0;

// What is answered but not kept yet is waiting too, and of two counts the one that began later is right.
export function countWaiting() {
  const turn = ++counting;
  everything("outbox").then((waiting) => {
    if (turn !== counting) return;
    const left = waiting.length + pending;
    $("kept").textContent = left ? `${left} waiting to be sent` : "all saved";
    $("kept").dataset.waiting = left;
  });
}

export function put(entry) {
  pending += 1;
  counting += 1;
  $("kept").dataset.waiting = pending;
  keep("outbox", entry).then(() => drop("items", entry.item_id))
    .catch((error) => trouble(`this browser could not keep the answer: ${error}`))
    .finally(() => { pending -= 1; countWaiting(); send(); });
}

export async function send() {
  if (sending) return;
  sending = true;
  let batch = [];
  try {
    for (;;) {
      const waiting = await everything("outbox");
      if (!waiting.length) break;
      // What was once sent together goes again as it was: the same id, the same answers.
      batch = waiting[0].request_id
        ? waiting.filter((entry) => entry.request_id === waiting[0].request_id)
        : await together(waiting);
      const { request_id, lease_id } = batch[0];
      const answers = batch.map(({ item_id, said }) => ({ item_id, ...said }));
      const reply = await post("submit", { request_id, annotator: config.annotator, lease_id, answers });
      connected(null);
      const refused = reply.results.filter((result) => !result.taken);
      if (refused.length) trouble(`${refused.length} not taken: ${refused[0].message}`);
      await drop("outbox", ...batch.map((entry) => entry.key));
    }
  } catch (error) {
    if (mayPass(error)) connected(error);
    else { trouble(error.message); await setAside(batch); }
  } finally {
    sending = false;
    countWaiting();
  }
}

async function together(waiting) {
  const fresh = waiting.filter((entry) => !entry.request_id && entry.lease_id === waiting[0].lease_id).slice(0, 100);
  const request_id = crypto.randomUUID();
  for (const entry of fresh) entry.request_id = request_id;
  await keep("outbox", ...fresh);
  return fresh;
}

// A lease that the server does not know any more: the answers stand without it.
async function setAside(batch) {
  const leased = batch.filter((entry) => entry.lease_id);
  await keep("outbox", ...leased.map((entry) => ({ ...entry, lease_id: "", request_id: "" })));
  await drop("outbox", ...batch.filter((entry) => !entry.lease_id).map((entry) => entry.key));
}
