"""One step of TRL's SFT trainer on an exported file, with a tiny random model and a loss on the assistant alone."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from tdlab.formats import export_trajectories
from tests.formats.chat_templates import FAMILIES
from tests.formats.conversations import DOMAINS, TOOLS
from tests.formats.test_datasets import conversations

pytestmark = pytest.mark.train


def tokenizer_of(template: str) -> Any:
    """Return a tokenizer of single bytes, made here: nothing is downloaded."""
    tokenizers = pytest.importorskip("tokenizers")
    transformers = pytest.importorskip("transformers")
    special = ["<pad>", "<s>", "</s>", "<|im_start|>", "<|im_end|>"]
    alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: number for number, token in enumerate([*special, *alphabet])}
    model = tokenizers.Tokenizer(tokenizers.models.BPE(vocab=vocabulary, merges=[]))
    model.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    model.decoder = tokenizers.decoders.ByteLevel()
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=model, pad_token="<pad>", bos_token="<s>", eos_token="</s>",
        additional_special_tokens=special[3:],
    )  # fmt: skip
    tokenizer.chat_template = template
    return tokenizer


def spans(values: list[bool]) -> list[tuple[int, int]]:
    """Return the ranges of true values."""
    edges = [n for n, (a, b) in enumerate(zip([False, *values], [*values, False], strict=True)) if a != b]
    return list(zip(edges[::2], edges[1::2], strict=True))


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
@pytest.mark.parametrize("family", ["Qwen2.5", "Qwen3", "Qwen3-Coder", "DeepSeek-V3", "GLM-4", "Hermes"])
def test_a_step_learns_the_assistants_turns_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, family: str, suffix: str
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    torch = pytest.importorskip("torch")
    datasets = pytest.importorskip("datasets")
    transformers = pytest.importorskip("transformers")
    trl = pytest.importorskip("trl")
    datasets.disable_progress_bars()
    trajectories = conversations()[1:-1]
    export_trajectories(trajectories, TOOLS, tmp_path / f"x{suffix}", services=DOMAINS)
    kind = "parquet" if suffix == ".parquet" else "json"
    dataset = datasets.load_dataset(
        kind, data_files=str(tmp_path / f"x{suffix}"), split="train", cache_dir=str(tmp_path / "cache")
    )
    tokenizer = tokenizer_of(FAMILIES[family].template)
    transformers.set_seed(0)
    model = transformers.LlamaForCausalLM(
        transformers.LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=2,
            max_position_embeddings=8192,
            pad_token_id=0,
            bos_token_id=1,
            eos_token_id=2,
        )
    )
    before = {name: weights.detach().clone() for name, weights in model.named_parameters()}
    trainer = trl.SFTTrainer(
        model=model,
        processing_class=tokenizer,
        train_dataset=dataset,
        args=trl.SFTConfig(
            output_dir=str(tmp_path / "out"),
            assistant_only_loss=True,
            max_length=None,
            max_steps=1,
            per_device_train_batch_size=2,
            learning_rate=1e-2,
            report_to=[],
            use_cpu=True,
            logging_steps=1,
            save_strategy="no",
            bf16=False,
            activation_checkpointing=False,
            seed=0,
            disable_tqdm=True,
        ),
    )
    checked = 0
    for row, trajectory in zip(trainer.train_dataset, trajectories, strict=True):
        batch = trainer.data_collator([row])
        labels, ids = batch["labels"][0].tolist(), batch["input_ids"][0].tolist()
        learned = [
            tokenizer.decode([ids[n] for n in range(start, end)])
            for start, end in spans([label != -100 for label in labels])
        ]
        assert all(label in (-100, token) for label, token in zip(labels, ids, strict=True))
        said = [message for message in trajectory.messages if message.role == "assistant"]
        assert len(learned) == len(said), "the loss is on each of the assistant's messages, and on nothing else"
        schemas = {t["function"]["name"]: t["function"]["parameters"] for t in json.loads(dataset[checked]["tools"])}
        for text, message in zip(learned, said, strict=True):
            assert message.content in text
            if not FAMILIES[family].typed:
                assert FAMILIES[family].parse(text, schemas) == [(c.name, c.arguments) for c in message.tool_calls]
            for call in message.tool_calls:
                assert call.name in text
        checked += 1
    assert checked == len(trajectories)
    result = trainer.train()
    assert math.isfinite(result.training_loss)
    assert result.training_loss > 0
    changed = [name for name, weights in model.named_parameters() if not torch.equal(before[name], weights.detach())]
    assert len(changed) > len(before) / 2, "a step changes the weights"
