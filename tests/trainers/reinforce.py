"""One step of TRL's GRPOTrainer on the format `rl`, rewarded by Teachset.

    reinforce.py RELEASE  →  {"completions": ["\\boxed{4}", …], "rewards": [1.0, …], …}

The model says what it is told to, so that the rewards are known; all else is TRL's. Of Teachset
only the reward is imported, in an environment that has not the rest of what Teachset needs.
"""

import json
import math
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import torch
from datasets import load_dataset
from train import make_model, make_tokenizer
from transformers import LlamaForCausalLM
from trl import GRPOConfig, GRPOTrainer

from tasks.assess.reward import reward

END = "<eos>"
SAID = (f"\\boxed{{4}}{END}", f"It is \\boxed{{5}}.{END}", "Two and two make",
        f"<think>\\boxed{{4}}</think>{END}", f"<think>Or 5?</think>\\boxed{{4}}{END}",
        "<think>\\boxed{4}, or is it")  # fmt: skip


class Parrot(LlamaForCausalLM):  # type: ignore[misc]
    """A model that generates what stands in SAID, one to each prompt of a batch."""

    def generate(self, input_ids: Any, **_: Any) -> Any:
        tokenizer = make_tokenizer()
        said = [tokenizer(text)["input_ids"] for text in SAID]
        longest = max(map(len, said))
        padded = [ids + [tokenizer.pad_token_id] * (longest - len(ids)) for ids in said]
        return torch.cat([input_ids, torch.tensor(padded)], dim=1)


def main(release: Path) -> None:
    """Print what was said, what was made of it and what moved the model, as the last line."""
    tokenizer = make_tokenizer()
    model = make_model(tokenizer)
    model.__class__ = Parrot
    before = [weights.detach().clone() for weights in model.parameters()]
    with tempfile.TemporaryDirectory() as folder:
        settings = GRPOConfig(
            output_dir=folder,
            max_steps=1,
            per_device_train_batch_size=len(SAID),
            num_generations=len(SAID),
            max_completion_length=64,
            logging_steps=1,
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            report_to="none",
            save_strategy="no",
            disable_tqdm=True,
        )
        trainer = GRPOTrainer(
            model,
            reward_funcs=partial(reward, end_tokens=tokenizer.eos_token_id),
            args=settings,
            train_dataset=load_dataset(str(release / "rl"), split="train"),
            processing_class=tokenizer,
        )
        trainer.train()
    logged = trainer._logs
    after = trainer.model.parameters()
    told = {
        "completions": [messages[-1]["content"] for messages in logged["completion"]],
        "rewards": [None if math.isnan(one) else one for one in logged["rewards"]["reward"]],
        "advantages": list(logged["advantages"]),
        "mean": trainer.state.log_history[0]["rewards/reward/mean"],
        "moved": any(not torch.equal(*pair) for pair in zip(before, after, strict=True)),
        "imported": sorted({name.partition(".")[0] for name in sys.modules}),
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
