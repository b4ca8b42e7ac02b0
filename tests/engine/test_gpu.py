"""Training, resuming and sampling on CUDA: `pytest -m gpu`."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from engine.checkpoint import RunFolder
from engine.devices import choose_device, choose_precision
from engine.fit import Evaluated, Step, fit
from engine.generation import generate
from engine.sampling import SamplingSettings
from engine.scoring import bits_per_byte
from engine.stepper import TransformerStepper
from tests.engine.tiny import TEXT, byte_task, settings, windows

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]


@pytest.fixture(autouse=True)
def _deterministic(monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


def test_auto_takes_the_gpu() -> None:
    assert choose_device().type == "cuda"
    assert choose_precision(torch.device("cuda")) in ("bf16", "no")


@pytest.mark.parametrize("precision", ["no", "bf16"])
def test_a_run_on_the_gpu_resumes_to_the_last_bit(precision: str, tmp_path: Path) -> None:
    data = windows(tmp_path)
    how = settings(
        steps=12, accumulate=2, save_every=3, eval_every=5, device="cuda", precision=precision
    )

    def losses(name: str, *, upto: int = 12, resume: bool = False) -> dict[int, str]:
        # Dropout draws from the GPU's own random numbers.
        task, found = byte_task(dropout=0.2), {}
        for event in fit(
            task,
            data,
            data,
            how,
            run=RunFolder(tmp_path / name),
            save=task.save,
            load=task.load,
            resume=resume,
        ):
            assert next(task.parameters()).device.type == "cuda"
            if isinstance(event, Step):
                found[event.step] = event.loss.hex()
                if event.step == upto:
                    break
        return found

    whole = losses("whole")
    first = losses("cut", upto=7)
    torch.rand(5, device="cuda")
    second = losses("cut", resume=True)
    assert list(second) == list(range(7, 13))
    assert {**first, **second} == whole


def test_cpu_and_gpu_agree(tmp_path: Path) -> None:
    data = windows(tmp_path)
    losses = {}
    for device in ("cpu", "cuda", "cpu"):
        events = fit(byte_task(), data, data, settings(device=device))
        losses[device] = [e.valid_loss for e in events if isinstance(e, Evaluated)]
    assert losses["cuda"] == pytest.approx(losses["cpu"], rel=1e-3)


def test_sampling_and_scoring_on_the_gpu() -> None:
    task = byte_task()
    on_cpu = bits_per_byte(task.model, task.tokenizer, [TEXT], window=32)
    prompt, how = [65, 66, 67], SamplingSettings(temperature=1.0, top_p=1.0)

    def write(seed: int) -> str:
        stepper = TransformerStepper(task.model)
        return "".join(generate(stepper, task.tokenizer, prompt, how, seed=seed, max_tokens=25))

    task.to("cuda")
    assert write(1) == write(1) != write(2)
    score = bits_per_byte(task.model, task.tokenizer, [TEXT], window=32)
    assert score.bits_per_byte == pytest.approx(on_cpu.bits_per_byte, rel=1e-3)
    logits, state = TransformerStepper(task.model).start(prompt)
    assert logits.device.type == state.layers[0][0].device.type == "cuda"
