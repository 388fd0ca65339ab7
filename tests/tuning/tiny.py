"""A causal language model of random weights with a tokenizer of its own: a few thousand parameters, made at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from nextlabel.server.tuning.examples import AskedPrompts
from nextlabel.server.values.labeling.tasks import Task

END = "<end>"
DIMENSION = 8


def tiny_model(folder: Path, task: Task, texts: Sequence[str]) -> Path:
    """Write a model that knows the words of the texts and of a task's prompts, one token each."""
    split = pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.Digits()])
    shown = [*texts, *AskedPrompts(task).of(""), *task.label_names, "true false Does the label apply 0 1 2 3 4 5"]
    words = sorted({word for text in shown for word, _ in split.pre_tokenize_str(text)})
    known = {word: place for place, word in enumerate([END, "<unknown>", *words])}
    words_of = Tokenizer(models.WordLevel(known, unk_token="<unknown>"))
    words_of.pre_tokenizer = split
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words_of, eos_token=END, unk_token="<unknown>")
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(known),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=1,
            initializer_range=0.1,
            num_attention_heads=4,
            max_position_embeddings=256,
            bos_token_id=None,
            eos_token_id=0,
        )
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def tiny_encoder(folder: Path, texts: Sequence[str]) -> Path:
    """Write an encoder of texts of one small layer without training, which knows the words of the texts."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertConfig, BertModel

    words = sorted({word for text in texts for word in text.split()})
    known = {word: place for place, word in enumerate(["[PAD]", "[UNK]", *words])}
    words_of = Tokenizer(models.WordLevel(known, unk_token="[UNK]"))
    words_of.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words_of, pad_token="[PAD]", unk_token="[UNK]")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(known),
        hidden_size=DIMENSION,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
    )
    BertModel(config).save_pretrained(folder / "parts")
    tokenizer.save_pretrained(folder / "parts")
    model = SentenceTransformer(
        modules=[Transformer(str(folder / "parts"), max_seq_length=16), Pooling(DIMENSION)], device="cpu"
    )
    model.save(str(folder / "encoder"), create_model_card=False)
    return folder / "encoder"
