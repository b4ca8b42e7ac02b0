"""What a model and its training cost: parameters, and floating-point operations.

The count is that of Kaplan et al. 2020 ("Scaling Laws for Neural Language Models", section 2.1): a
forward pass takes 2 operations for each weight of a matrix a token is multiplied by, and attention
2 n_layer n_ctx d_model more (table 1); the backward pass takes twice as many, so training takes
three times both. It serves recurrent models as it is: their matrices are used once for a character,
and there is no attention.

We differ in one thing: the head, which Kaplan et al. leave out with the embeddings, is counted. In
models as small as ours it is a large part of the work. Left out, as there: looking up embeddings,
biases, norms, softmaxes, the gates' functions, the loss, and the optimizer.
"""

from __future__ import annotations

from torch import nn
from transformers import PreTrainedModel


def n_parameters(model: nn.Module) -> int:
    """How many weights a model has, shared ones counted once, embeddings included."""
    return sum(parameter.numel() for parameter in model.parameters())


def matrix_weights(model: PreTrainedModel) -> int:
    """The weights that every token is multiplied by: all matrices and the head, no embedding.

    A head that shares the embedding's weights counts, because the product with it is made.
    """
    embeddings = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
    weights: int = sum(
        p.numel() for p in model.parameters() if p.dim() == 2 and id(p) not in embeddings
    )
    head = model.get_output_embeddings()
    if isinstance(head, nn.Linear) and id(head.weight) in embeddings:
        weights += head.weight.numel()
    return weights


def training_flops(model: PreTrainedModel, block_size: int) -> float:
    """Operations that training takes for one token: forward and backward, 6 N + 6 n_layer n_ctx d.

    Parameters
    ----------
    model : PreTrainedModel
        A GPT-2 or another transformer whose configuration tells its layers and width; or a
        recurrent model, which has no attention.
    block_size : int
        n_ctx: tokens in a row in training, at least 1. The shape of the block is all that attention
        costs: what the mask hides is not taken off.

    Returns
    -------
    float
        For a byte, divide by the bytes of a token.

    Raises
    ------
    ValueError
        If `block_size` is below 1.
    """
    if block_size < 1:
        raise ValueError(f"block_size={block_size} must be at least 1")
    flops = 6.0 * matrix_weights(model)
    if not getattr(model, "_is_stateful", False):  # as transformers marks models without attention
        config = model.config
        flops += 6.0 * config.num_hidden_layers * block_size * config.hidden_size
    return flops
