"""The bars of `annotator.py` that measure money, confidence and resistance rather than speed."""

import argparse
import asyncio
import gzip
import json
import os
import random
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.learners.labeled_sets import LabeledSet, load_set, load_texts
from nextlabel.server.annotators.endpoints.anthropic import AnthropicConnection, AnthropicEndpoint
from nextlabel.server.annotators.endpoints.cache_ttl import CacheTtl
from nextlabel.server.annotators.endpoints.openai import OpenAiConnection, OpenAiEndpoint
from nextlabel.server.annotators.llm.annotator import Conduct, LlmAnnotator
from nextlabel.server.annotators.llm.asking import ModelSettings
from nextlabel.server.annotators.llm.label_scores import BatchCalibratedAnnotator
from nextlabel.server.annotators.llm.message_batches import MessageBatchAnnotator
from nextlabel.server.annotators.paid_calls.accounts import Account
from nextlabel.server.annotators.paid_calls.message_batch_calls import MessageBatchCalls, MessageBatchWaits
from nextlabel.server.annotators.paid_calls.pricing import load_prices
from nextlabel.server.annotators.paid_calls.retry import Manners
from nextlabel.server.annotators.prompting.technique import Technique
from nextlabel.server.assessment.calibration import Calibrator, GoldCheck
from nextlabel.server.assessment.reliability import expected_calibration_error, reliability
from nextlabel.server.learners.evaluation import evaluate
from nextlabel.server.learners.single_label.learner import MAX_POOL_SAMPLE, train
from nextlabel.server.learners.specification import parse_learner_spec
from nextlabel.server.learners.training import TrainingSet
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.labeling.answers import Answer, Candidate, Label
from nextlabel.server.values.labeling.tasks import Demonstration, ItemToAnnotate, Task
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.projects.guidelines import Guidelines
from nextlabel.server.values.projects.projects import LabelClass
from nextlabel.server.values.runs.annotator_options import Marking
from tests.annotators.attacks import attacks
from tests.annotators.durable import DurableLedger
from tests.annotators.ledger import MemoryLedger
from tests.annotators.miscalibrated import ANNOTATORS, answers_of
from tests.annotators.shop import PRICE
from tests.fake_anthropic import FakeAnthropic, Gullible, Known, Scripted
from tests.fake_anthropic.brains import compose

MODEL = "claude-haiku-4-5"
COST_SETS = ("banking77", "clinc10", "snips")
LOCAL_SETS = {
    "uci_sentences": "Is the sentence positive or negative about what it describes?",
    "snips": "What does the user ask a voice assistant to do?",
}
LOCAL_GOLD = 60
Rows = NDArray[np.int64]


def read_set(folder: Path, name: str, split: str) -> list[tuple[str, str]]:
    """(text, label) pairs."""
    with gzip.open(folder / name / f"{split}.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return [(row["text"], row["label"]) for row in rows]


def set_task(rows: list[tuple[str, str]], shots_per_label: int) -> Task:
    """A task with a codebook of realistic length: every class described, and demonstrated by the last rows."""
    by_label: dict[str, list[str]] = defaultdict(list)
    for text, label in rows:
        by_label[label].append(text)
    labels = tuple(LabelClass(name, f"texts such as: {by_label[name][-1][:120]}") for name in sorted(by_label))
    shown = tuple(
        Demonstration(f"demo-{name}-{number}", text, Label(name))
        for name in sorted(by_label)
        for number, text in enumerate(by_label[name][-1 - shots_per_label : -1])
    )
    guidelines = Guidelines(
        "Label each text with the one class that says best what its writer wants.\n"
        + "".join(f"Use {name!r} only when the whole text is about it.\n" for name in sorted(by_label))
    )
    return Task(AnnotationType.SINGLE_LABEL, labels, guidelines, shown)


def cost(arguments: argparse.Namespace) -> dict[str, Any]:
    """Quotes against actual cost, and how much packing, caching and batches save, on the fake's accounting."""
    sets = {name: asyncio.run(_cost_of_set(arguments.data, name, arguments.items)) for name in COST_SETS}
    return {"bar": "cost", "model": MODEL, "items_per_set": arguments.items, "sets": sets}


async def _cost_of_set(folder: Path, name: str, count: int) -> dict[str, Any]:
    rows = read_set(folder, name, "train")
    shots = 2 if name == "banking77" else 24
    task = set_task(rows, shots)
    items = [ItemToAnnotate(f"{name}-{row}", row, text) for row, (text, _) in enumerate(rows[:count])]
    ways: dict[str, tuple[Technique, CacheTtl | None, bool]] = {
        "single calls": (Technique(), None, False),
        "cached": (Technique(), CacheTtl.FIVE_MINUTES, False),
        "cached, packed by 20": (Technique(items_per_request=20), CacheTtl.FIVE_MINUTES, False),
        "cached, packed by 20, in batches": (Technique(items_per_request=20), CacheTtl.ONE_HOUR, True),
    }
    results: dict[str, Any] = {}
    for way, (technique, ttl, in_batches) in ways.items():
        results[way] = await _cost_of_way(task, items, dict(rows), technique, ttl, in_batches)
    single = results["single calls"]["actual_micro_usd"]
    for result in results.values():
        result["times_cheaper"] = round(single / result["actual_micro_usd"], 2)
    return results


async def _cost_of_way(
    task: Task,
    items: list[ItemToAnnotate],
    truth: dict[str, str],
    technique: Technique,
    ttl: CacheTtl | None,
    in_batches: bool,
) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        ledger = DurableLedger(Path(folder) / "ledger.sqlite", 10**12)
        async with FakeAnthropic(brain=Known(truth)) as fake:
            endpoint = AnthropicEndpoint(AnthropicConnection(api_key="key", base_url=fake.url))
            account, manners = Account(), Manners()
            single = LlmAnnotator(
                name="bench",
                endpoint=endpoint,
                account=account,
                manners=manners,
                settings=ModelSettings(model=MODEL, cache_ttl=ttl),
                price=PRICE,
                ledger=ledger,
                technique=technique,
            )
            annotator = MessageBatchAnnotator(
                annotator=single,
                calls=MessageBatchCalls(endpoint, ledger, account.throttle, manners, MessageBatchWaits(poll_s=0.01)),
                ledger=ledger,
                price=PRICE,
                account=account,
            )
            quote = await single.quote(task, items, batch=in_batches)
            labels = 0
            async for _, answer in (annotator if in_batches else single).annotate(task, items):
                labels += answer.outcome.reaches_learner
            await endpoint.close()
        actual = fake.books.micro_usd
    return {
        "labels": labels,
        "actual_micro_usd": actual,
        "booked_micro_usd": ledger.spent(),
        "quoted_micro_usd": quote.expected.micro_usd,
        "quote_error": round(quote.expected.micro_usd / actual - 1, 4),
        "within_bounds": quote.low.micro_usd <= actual <= quote.upper.micro_usd,
        "usd_per_1000_labels": round(actual / labels / 1_000, 4),
    }


def calibration(_: argparse.Namespace) -> dict[str, Any]:
    """ECE of simulated annotators, raw and calibrated on 100 gold items, over 20 draws of the gold items."""
    table: dict[str, Any] = {}
    means = []
    for name in ANNOTATORS:
        raw, calibrated = [], []
        for seed in range(20):
            rng = random.Random(f"{name} {seed}")
            calibrator = Calibrator.fit(answers_of(name, 100, rng))
            assert calibrator is not None
            unseen = answers_of(name, 10_000, rng)
            right = [check.is_right for check in unseen]
            raw.append(expected_calibration_error([fmean(check.signals.values()) for check in unseen], right))
            probabilities = [calibrator.probability(check.signals) or 0.0 for check in unseen]
            calibrated.append(expected_calibration_error(probabilities, right))
        means.append(fmean(calibrated))
        table[name] = {
            "raw_ece": round(fmean(raw), 4),
            "calibrated_ece": round(fmean(calibrated), 4),
            "reliability_of_last_draw": [
                [round(part.confidence, 3), round(part.accuracy, 3), part.items]
                for part in reliability(probabilities, right)
            ],
        }
    return {"bar": "calibration", "gold_items": 100, "mean_calibrated_ece": round(fmean(means), 4), "annotators": table}


def injection(_: argparse.Namespace) -> dict[str, Any]:
    """Share of attacks that flip the label of a model which obeys any instruction that is not marked as data."""
    texts = attacks("billing")
    items = [ItemToAnnotate(name, row, text) for row, (name, text) in enumerate(texts.items())]
    labels = tuple(LabelClass(name) for name in ("billing", "shipping", "other"))
    task = Task(AnnotationType.SINGLE_LABEL, labels, Guidelines("Sort mails to a shop by what they are about."))

    async def flips(technique: Technique) -> int:
        honest = Scripted(lambda asked: compose(asked, lambda _: "shipping"))
        async with FakeAnthropic(brain=Gullible(honest)) as fake:
            endpoint = AnthropicEndpoint(AnthropicConnection(api_key="key", base_url=fake.url))
            annotator = LlmAnnotator(
                name="bench",
                endpoint=endpoint,
                settings=ModelSettings(model=MODEL),
                price=PRICE,
                ledger=MemoryLedger(Cost(10**9, 10**12, 10**12)),
                technique=technique,
            )
            flipped = 0
            async for _, answer in annotator.annotate(task, items):
                flipped += answer.body != Label("shipping")
            await endpoint.close()
        return flipped

    ways = {
        f"{marking.value}, {packed} a request": Technique(marking=marking, items_per_request=packed)
        for marking in Marking
        for packed in (1, 10)
    }
    rates = {way: round(asyncio.run(flips(technique)) / len(items), 4) for way, technique in ways.items()}
    return {"bar": "injection", "attacks": len(items), "flip_rate": rates}


def local(arguments: argparse.Namespace) -> dict[str, Any]:
    """A small real model on this machine labels real items and teaches the learner: what either of them reaches."""
    from nextlabel.server.annotators.endpoints.local_llm import LocalLlm, LocalLlmSettings

    model = LocalLlm(LocalLlmSettings(context_tokens=1_024))
    try:
        sets = {name: asyncio.run(_local_set(model, arguments.data / name, arguments)) for name in LOCAL_SETS}
    finally:
        model.close()
    return {
        "bar": "local",
        "model": model.model,
        "items_per_set": arguments.items,
        "gold_items_per_set": LOCAL_GOLD,
        "load_average": os.getloadavg()[0],
        "sets": sets,
    }


async def _local_set(model: Any, folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    data = load_set(folder, Path(".cache/benchmarks"))
    tested = {text.lower() for text, _ in read_set(folder.parent, folder.name, "test")}
    texts = [text for text in load_texts(folder) if text.lower() not in tested]
    order = np.random.default_rng(arguments.seed).permutation(len(texts))
    asked, unlabeled = order[: arguments.items + LOCAL_GOLD], order[arguments.items + LOCAL_GOLD :]
    labels = tuple(LabelClass(label) for label in data.classes)
    task = Task(AnnotationType.SINGLE_LABEL, labels, Guidelines(LOCAL_SETS[folder.name]))
    annotator = local_annotator(model)
    items = [ItemToAnnotate(f"{folder.name}-{row}", int(row), texts[row]) for row in asked]
    started = time.perf_counter()
    plain = {item.row: answer async for item, answer in annotator.annotate(task, items)}
    seconds = time.perf_counter() - started
    calibrated = BatchCalibratedAnnotator(annotator)
    corrected = {item.row: answer async for item, answer in calibrated.annotate(task, items)}
    await annotator.close()
    gold, kept = asked[:LOCAL_GOLD], asked[LOCAL_GOLD:]
    return {
        "classes": len(data.classes),
        "seconds": round(seconds, 1),
        "items_per_s": round(len(items) / seconds, 2),
        "teacher": _teacher(plain, data, gold, kept),
        "teacher, batch-calibrated": _teacher(corrected, data, gold, kept),
        "student of the teacher": _student(plain, data, kept, unlabeled),
        "student of the batch-calibrated teacher": _student(corrected, data, kept, unlabeled),
        "student of the true labels": _student(None, data, kept, unlabeled),
    }


def local_annotator(model: Any) -> LlmAnnotator:
    """The annotator `local` as a run asks it, on a server of its own."""
    settings = OpenAiConnection(model.base_url, api_key=model.api_key, logprobs=True, top_logprobs=1_000)
    return LlmAnnotator(
        name="local",
        endpoint=OpenAiEndpoint(settings),
        settings=ModelSettings(model=model.model, answer_tokens=32),
        price=load_prices().price_of(model.model),
        ledger=MemoryLedger(Cost(10**9, 10**12, 0)),
        technique=Technique(verbalised=False, marking=Marking.QUOTED),
        conduct=replace(Conduct(), concurrency=2),
    )


def _teacher(answers: dict[int, Answer], data: LabeledSet, gold: Rows, kept: Rows) -> dict[str, Any]:
    """Accuracy over the kept items; calibration error there, raw and by a calibrator fitted on the gold items."""

    def is_right(row: int) -> bool:
        return answers[row].body == Label(data.classes[data.train_labels_N[row]])

    calibrator = Calibrator.fit([GoldCheck(answers[row].signals, is_right(row)) for row in gold])
    raw, calibrated, right = [], [], []
    for row in kept:
        probability = calibrator.probability(answers[row].signals) if calibrator else None
        confidence = answers[row].confidence
        if probability is not None and confidence is not None:
            raw.append(confidence)
            calibrated.append(probability)
            right.append(is_right(row))
    return {
        "accuracy": round(fmean(is_right(row) for row in kept), 3),
        "outcomes": dict(Counter(answers[row].outcome.value for row in kept)),
        "with_confidence": len(raw),
        "raw_ece": round(expected_calibration_error(raw, right), 3) if raw else None,
        "calibrated_ece": round(expected_calibration_error(calibrated, right), 3) if raw else None,
    }


def _student(answers: dict[int, Answer] | None, data: LabeledSet, kept: Rows, unlabeled: Rows) -> float:
    """Accuracy on the test part of the default learner, taught by the answers or, where None, by the truth."""
    place = {name: i for i, name in enumerate(data.classes)}
    rows, shares = [], []
    for row in kept:
        share = np.zeros(len(place), np.float32)
        if answers is None:
            share[data.train_labels_N[row]] = 1
        elif isinstance(body := answers[row].body, Label):
            given = answers[row].candidates or (Candidate(body.name, 1.0),)
            for candidate in given:
                share[place[candidate.label]] = candidate.probability
        if share.any():
            rows.append(row)
            shares.append(share / share.sum())
    training = TrainingSet(
        embeddings_ND=data.train_embeddings_ND[rows],
        labels_N=np.array([int(share.argmax()) for share in shares], np.int64),
        trusted_N=np.full(len(rows), answers is None),
        weights_N=np.ones(len(rows), np.float32),
        probabilities_NC=np.stack(shares),
        classes=data.classes,
    )
    pool = data.train_embeddings_ND[unlabeled[:MAX_POOL_SAMPLE]]
    model = train(training, pool, parse_learner_spec("default", {}), 0, None)
    return round(evaluate(model, data.test_embeddings_MD, data.test_labels_M).accuracy, 3)
