"""Create a project, add texts, label them, train, predict. Needs a server: `nextlabel serve --data-dir data`."""

from nextlabel.client import connect

TEXTS = {
    "the match ended 3:1 after extra time": "sports",
    "parliament votes on the budget today": "politics",
    "the striker is out for six weeks": "sports",
    "the minister resigned on Monday": "politics",
    "a world record over 400 metres": "sports",
    "the coalition agreed on a new law": "politics",
}


def main() -> None:
    with connect() as client:
        client.projects.create("news-example", labels=["sports", "politics"])
        news = client.project("news-example")
        news.pool.add(list(TEXTS))

        lease = news.labeling.lease(annotator="ann", count=6)
        answers = {leased.item.id: TEXTS[leased.item.text] for leased in lease.items}
        news.labeling.submit(answers, annotator="ann", lease_id=lease.lease_id)

        version = news.learner.train()
        print(f"model version {version.version} from {version.labels} labels")
        texts = ["the goalkeeper saved a penalty", "the president signed the treaty"]
        for text, prediction in zip(texts, news.learner.predict(texts).predictions, strict=True):
            print(f"{prediction.label:10} {prediction.probability:.2f}  {text}")


if __name__ == "__main__":
    main()
