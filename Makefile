# Each target abbreviates commands of CONTRIBUTING.md.
.PHONY: check test slow
check:
	ruff format --check .
	ruff check .
	mypy
	python -m pytest
test:
	python -m pytest
slow:
	python -m pytest -m slow
	python -m pytest -m e2e
