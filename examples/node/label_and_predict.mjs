// Create a project, add texts, label them, train, predict: npm install; node label_and_predict.mjs [HOST:PORT].
// Needs a server: nextlabel serve --data-dir data. The client is made of the .proto files as it runs.

import { randomUUID } from "node:crypto";
import { fileURLToPath } from "node:url";
import { setTimeout } from "node:timers/promises";
import { promisify } from "node:util";
import grpc from "@grpc/grpc-js";
import protoLoader from "@grpc/proto-loader";

const TEXTS = {
  "the match ended 3:1 after extra time": "sports",
  "parliament votes on the budget today": "politics",
  "the striker is out for six weeks": "sports",
  "the minister resigned on Monday": "politics",
  "a world record over 400 metres": "sports",
  "the coalition agreed on a new law": "politics",
};
const [address = "127.0.0.1:50051"] = process.argv.slice(2);

const files = ["project", "pool", "labeling", "learner"].map((name) => `nextlabel/v1/${name}_service.proto`);
const options = { longs: Number, enums: String, defaults: true, oneofs: true };
const includeDirs = [process.env.NEXTLABEL_PROTO ?? fileURLToPath(new URL("../../proto", import.meta.url))];
const { v1 } = grpc.loadPackageDefinition(protoLoader.loadSync(files, { ...options, includeDirs })).nextlabel;

// With TLS: grpc.credentials.createSsl(), and a token as metadata "authorization: Bearer …" with every call.
const channel = [address, grpc.credentials.createInsecure()];
const [projects, pool, labeling, learner] = [
  new v1.ProjectService(...channel), new v1.PoolService(...channel),
  new v1.LabelingService(...channel), new v1.LearnerService(...channel),
];
// What changes anything has an id of its own, so that a repeated call counts once. A server that is starting, or still
// embeds what was added, answers UNAVAILABLE: the call is repeated.
async function call(service, method, request) {
  const asked = { requestId: randomUUID(), ...request };
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await promisify(service[method].bind(service))(asked);
    } catch (error) {
      if (error.code !== grpc.status.UNAVAILABLE || attempt === 60) throw error;
      await setTimeout(1_000);
    }
  }
}

async function add(project, items) {
  const upload = pool.AddItems();
  upload.write({ header: { project, uploadId: randomUUID() } });
  upload.write({ batch: { sequence: 1, items } });
  upload.end();
  for await (const { errors } of upload) if (errors.length) throw new Error(errors[0].message);
}

const project = `news-from-node-${randomUUID().slice(0, 8)}`;
const classes = ["sports", "politics"].map((name) => ({ name }));
await call(projects, "CreateProject", {
  project: { name: project, annotationType: "ANNOTATION_TYPE_SINGLE_LABEL", labelSpace: { classes } },
});
await add(project, Object.keys(TEXTS).map((text, n) => ({ id: `item-${n}`, text, split: "SPLIT_POOL" })));

const { lease } = await call(labeling, "LeaseItems", { project, annotator: "ann", count: 6 });
const annotations = lease.items.map(({ item }) => ({
  itemId: item.id, answer: { singleLabel: { label: TEXTS[item.text] } },
}));
const { results } = await call(labeling, "SubmitAnnotations", {
  project, annotator: "ann", leaseId: lease.leaseId, annotations,
});
console.log(`${results.filter(({ status }) => status === "SUBMIT_STATUS_ACCEPTED").length} labels accepted`);

const { modelVersion } = await call(learner, "Train", { project });
console.log(`model version ${modelVersion.version} from ${modelVersion.labels} labels`);
const texts = ["the goalkeeper saved a penalty", "the president signed the treaty"];
const { predictions } = await call(learner, "Predict", { project, input: { texts: { texts } } });
predictions.forEach(({ label, probability }, n) => console.log(`${label} ${probability.toFixed(2)} ${texts[n]}`));
for (const service of [projects, pool, labeling, learner]) service.close();
