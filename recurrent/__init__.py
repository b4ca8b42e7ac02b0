"""Recurrent networks. Importing this package makes its language models known to transformers, and
how they are run fast one character at a time to `engine.stepper`."""

from __future__ import annotations

from transformers import AutoConfig, AutoModelForCausalLM

from engine.stepper import register_stepper
from recurrent.charlm import CharLM, CharLMConfig, RecurrentState
from recurrent.decoding import stepper

__all__ = ["CharLM", "CharLMConfig", "RecurrentState"]

AutoConfig.register(CharLMConfig.model_type, CharLMConfig)
AutoModelForCausalLM.register(CharLMConfig, CharLM)
register_stepper(CharLM, stepper)
