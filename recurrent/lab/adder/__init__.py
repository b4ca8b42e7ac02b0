"""The adder: two binary numbers in, bit by bit, their sum out.

`run` trains one recurrent neuron that carries, the lecture's network in NumPy and an RNN, an LSTM
and a GRU in torch; `add` shows any of them at work on two numbers.
"""

from recurrent.lab.adder.experiment import run
from recurrent.lab.adder.look import MODELS, Addition, add, carry_units
from recurrent.lab.adder.neuron import NeuronStep, unroll
from recurrent.lab.adder.settings import Settings

__all__ = ["MODELS", "Addition", "NeuronStep", "Settings", "add", "carry_units", "run", "unroll"]
