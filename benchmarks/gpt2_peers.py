"""GPT-2 in other engines, converted from the same transformers model, with int8 weights.

Neither is needed by letterpress: `pip install ctranslate2 openvino nncf` in an environment of its
own, and the benchmark finds them. Their keys and values stay inside the engine.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import GPT2LMHeadModel

Write = Callable[[Sequence[int], int], list[int]]  # a prompt and a number of ids -> the ids


def ctranslate2(model: GPT2LMHeadModel, threads: int) -> Write:
    """CTranslate2, weights and activations in int8."""
    import ctranslate2
    from ctranslate2.converters.transformers import GPT2Loader

    spec = GPT2Loader().get_model_spec(model)
    spec.register_vocabulary([str(i) for i in range(model.config.vocab_size)])
    # Its end of text must be some id, and `min_length` forbids that one.
    spec.config.bos_token = spec.config.eos_token = spec.config.unk_token = "0"
    spec.validate()
    spec.optimize(quantization="int8")
    with tempfile.TemporaryDirectory() as folder:
        spec.save(folder)
        generator = ctranslate2.Generator(
            folder, device="cpu", compute_type="int8", inter_threads=1, intra_threads=threads
        )

    def write(prompt: Sequence[int], n: int) -> list[int]:
        done = generator.generate_batch(
            [[str(i) for i in prompt]],
            max_length=n,
            min_length=n,
            sampling_topk=1,
            include_prompt_in_result=False,
        )
        ids: list[int] = done[0].sequences_ids[0]
        return ids

    return write


class Traceable(nn.Module):
    """GPT-2 with its keys and values as plain inputs and outputs, all lengths free."""

    def __init__(self, model: GPT2LMHeadModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor, *past: Tensor) -> tuple[Tensor, ...]:
        """Ids (1, T) and each layer's keys and values -> logits (1, 1, V) and the longer ones."""
        body, n_past, n = self.model.transformer, past[0].shape[2], ids.shape[1]
        places = torch.arange(n_past, n_past + n)
        seen = torch.arange(n_past + n)[None] <= places[:, None]  # (T, all)
        x, present = body.wte(ids) + body.wpe(places)[None], []  # (1, T, C)
        for i, block in enumerate(body.h):
            qkv = block.attn.c_attn(block.ln_1(x))
            query, key, value = (
                part.view(1, n, self.model.config.n_head, -1).transpose(1, 2)
                for part in qkv.chunk(3, dim=2)
            )  # (1, n_head, T, width)
            key, value = torch.cat([past[2 * i], key], 2), torch.cat([past[2 * i + 1], value], 2)
            present += [key, value]
            mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=seen)
            x = x + block.attn.c_proj(mixed.transpose(1, 2).reshape(1, n, -1))
            x = x + block.mlp(block.ln_2(x))
        return self.model.lm_head(body.ln_f(x[:, -1:])), *present


def openvino(model: GPT2LMHeadModel, threads: int) -> Write:
    """OpenVINO with int8 weights, the activations as it chooses (bf16 where that is fast)."""
    import nncf
    import openvino
    from openvino._offline_transformations import apply_make_stateful_transformation

    config = model.config
    n_states, width = 2 * config.n_layer, config.n_embd // config.n_head
    past = [torch.zeros(1, config.n_head, 4, width) for _ in range(n_states)]
    example: Any = (torch.ones(1, 3, dtype=torch.long), *past)
    with torch.inference_mode():
        graph = openvino.convert_model(Traceable(model), example_input=example)
    shapes = {i + 1: [1, config.n_head, -1, width] for i in range(n_states)}
    graph.reshape({0: [1, -1], **shapes})
    graph.inputs[0].get_tensor().set_names({"ids"})
    pairs = {f"past{i}": f"present{i}" for i in range(n_states)}
    for i, (before, after) in enumerate(pairs.items(), 1):
        graph.inputs[i].get_tensor().set_names({before})
        graph.outputs[i].get_tensor().set_names({after})
    apply_make_stateful_transformation(graph, pairs)
    graph = nncf.compress_weights(graph, mode=nncf.CompressWeightsMode.INT8_SYM)
    options = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
    request = openvino.compile_model(graph, "CPU", options).create_infer_request()

    def write(prompt: Sequence[int], n: int) -> list[int]:
        request.reset_state()
        ids, drawn = np.array([prompt], np.int64), []
        for _ in range(n):
            logits = request.infer({"ids": ids}, share_outputs=True)[0]  # (1, 1, V)
            drawn.append(int(logits[0, -1].argmax()))
            ids = np.array([[drawn[-1]]], np.int64)
        return drawn

    return write
