"""The bars of `annotator.py` that measure money, confidence and resistance rather than speed."""

import argparse
import asyncio
import gzip
import json
import random
import tempfile
import time
from collections import defaultdict
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from statistics import fmean
from typing import Any

from nextlabel.server.annotators.anthropic_endpoint import AnthropicEndpoint, AnthropicSettings
from nextlabel.server.annotators.asking import ModelSettings
from nextlabel.server.annotators.batching import BatchingAnnotator, BatchPolicy
from nextlabel.server.annotators.calibration import Calibrator, GoldCheck
from nextlabel.server.annotators.llm import Conduct, LlmAnnotator
from nextlabel.server.annotators.marking import Marking
from nextlabel.server.annotators.pricing import CacheTtl, Price, load_prices
from nextlabel.server.annotators.technique import Technique
from nextlabel.server.assessment.reliability import expected_calibration_error, reliability
from nextlabel.server.domain.annotation import (
    AnnotationType,
    Answer,
    Cost,
    Demonstration,
    Guidelines,
    ItemToAnnotate,
    Label,
    LabelDefinition,
    Task,
)
from tests.annotators.attacks import attacks
from tests.annotators.durable import DurableLedger
from tests.annotators.ledger import MemoryLedger
from tests.annotators.miscalibrated import ANNOTATORS, answers_of
from tests.fake_anthropic import FakeAnthropic, Gullible, Known, Scripted
from tests.fake_anthropic.brains import compose

MODEL = "claude-haiku-4-5"
COST_SETS = ("banking77", "clinc10", "snips")
LOCAL_SETS = ("uci_sentences", "sms_spam")
PRICE = Price(
    input=Decimal(1),
    output=Decimal(5),
    cache_write_5m=Decimal("1.25"),
    cache_write_1h=Decimal(2),
    cache_read=Decimal("0.1"),
    batch=Decimal("0.5"),
    cache_minimum=4096,
)


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
    labels = tuple(LabelDefinition(name, f"texts such as: {by_label[name][-1][:120]}") for name in sorted(by_label))
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
            endpoint = AnthropicEndpoint(AnthropicSettings(api_key="key", base_url=fake.url))
            single = LlmAnnotator(
                name="bench",
                endpoint=endpoint,
                settings=ModelSettings(model=MODEL, cache_ttl=ttl),
                price=PRICE,
                ledger=ledger,
                technique=technique,
            )
            annotator = BatchingAnnotator(
                annotator=single,
                endpoint=endpoint,
                ledger=ledger,
                journal=ledger,
                price=PRICE,
                policy=BatchPolicy(poll_s=0.01),
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
    labels = tuple(LabelDefinition(name) for name in ("billing", "shipping", "other"))
    task = Task(AnnotationType.SINGLE_LABEL, labels, Guidelines("Sort mails to a shop by what they are about."))

    async def flips(technique: Technique) -> int:
        honest = Scripted(lambda asked: compose(asked, lambda _: "shipping"))
        async with FakeAnthropic(brain=Gullible(honest)) as fake:
            endpoint = AnthropicEndpoint(AnthropicSettings(api_key="key", base_url=fake.url))
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
    """A small real model on this machine labels real items: accuracy and calibration, with and without correction."""
    from nextlabel.server.annotators.local_llm import LocalLlm, LocalLlmSettings

    model = LocalLlm(LocalLlmSettings())
    try:
        sets = {name: asyncio.run(_local_set(model, arguments.data, name, arguments.items)) for name in LOCAL_SETS}
    finally:
        model.close()
    return {"bar": "local", "model": model.model, "items_per_set": arguments.items, "sets": sets}


async def _local_set(model: Any, folder: Path, name: str, count: int) -> dict[str, Any]:
    from nextlabel.server.annotators.label_scores import BatchCalibratedAnnotator
    from nextlabel.server.annotators.openai_endpoint import OpenAiEndpoint, OpenAiSettings

    rows = read_set(folder, name, "train")
    truth = dict(rows[:count])
    labels = tuple(LabelDefinition(label) for label in sorted({label for _, label in rows}))
    task = Task(AnnotationType.SINGLE_LABEL, labels, Guidelines("Label the text."))
    settings = OpenAiSettings(model.base_url, api_key=model.api_key, logprobs=True)
    annotator = LlmAnnotator(
        name="local",
        endpoint=OpenAiEndpoint(settings),
        settings=ModelSettings(model=model.model),
        price=load_prices().price_of(model.model),
        ledger=MemoryLedger(Cost(10**9, 10**12, 0)),
        technique=Technique(verbalised=False),
        conduct=replace(Conduct(), concurrency=2),
    )
    items = [ItemToAnnotate(f"{name}-{row}", row, text) for row, text in enumerate(truth)]
    started = time.perf_counter()
    plain = [(item, answer) async for item, answer in annotator.annotate(task, items)]
    seconds = time.perf_counter() - started
    corrected = [(item, answer) async for item, answer in BatchCalibratedAnnotator(annotator).annotate(task, items)]
    await annotator.close()
    return {
        "items": len(items),
        "items_per_s": round(len(items) / seconds, 2),
        "plain": _quality(plain, truth),
        "batch_calibrated": _quality(corrected, truth),
    }


def _quality(answers: list[tuple[ItemToAnnotate, Answer]], truth: dict[str, str]) -> dict[str, Any]:
    right = [answer.body == Label(truth[item.text]) for item, answer in answers]
    stated = [(answer.confidence, ok) for (_, answer), ok in zip(answers, right, strict=True) if answer.confidence]
    confidences, known = [confidence for confidence, _ in stated if confidence], [ok for _, ok in stated]
    checks = [GoldCheck(answer.signals, ok) for (_, answer), ok in zip(answers, right, strict=True)]
    half = len(checks) // 2
    calibrator = Calibrator.fit(checks[:half])
    held_out = [
        (probability, check.is_right)
        for check in checks[half:]
        if calibrator and (probability := calibrator.probability(check.signals)) is not None
    ]
    return {
        "accuracy": round(fmean(right), 3),
        "outcomes": {
            name: sum(answer.outcome == name for _, answer in answers) for name in ("label", "invalid", "failed")
        },
        "raw_ece": round(expected_calibration_error(confidences, known), 3) if confidences else None,
        "calibrated_ece_on_the_other_half": (
            round(expected_calibration_error([p for p, _ in held_out], [ok for _, ok in held_out]), 3)
            if held_out
            else None
        ),
    }
