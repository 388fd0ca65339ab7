// What survives a reload: items on lease and answers that the server does not have yet, in IndexedDB.
export const config = JSON.parse(document.getElementById("config").textContent);
export const $ = (id) => document.getElementById(id);

const database = new Promise((resolve, reject) => {
  const opening = indexedDB.open(`nextlabel/${config.project}/${config.annotator}`, 1);
  opening.onupgradeneeded = () => {
    opening.result.createObjectStore("items", { keyPath: "id" });
    opening.result.createObjectStore("outbox", { keyPath: "key", autoIncrement: true });
  };
  opening.onsuccess = () => resolve(opening.result);
  opening.onerror = () => reject(opening.error);
});

async function stored(name, mode, work) {
  const transaction = (await database).transaction(name, mode, { durability: "strict" });
  const request = work(transaction.objectStore(name));
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve(request && request.result);
    transaction.onerror = transaction.onabort = () => reject(transaction.error);
  });
}

export const everything = (name) => stored(name, "readonly", (store) => store.getAll());
// All of them or none, however the page ends.
export const keep = (name, ...values) => stored(name, "readwrite", (store) => values.forEach((one) => store.put(one)));
export const drop = (name, ...keys) => stored(name, "readwrite", (store) => keys.forEach((key) => store.delete(key)));
