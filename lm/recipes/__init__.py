"""Recipes: how the weights that ship were made, as code that makes them again."""
