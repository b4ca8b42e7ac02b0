"""An equal race: models trained on one text under one budget, in turns, in a run folder each."""
