"""The commands of `letterpress`, one module for each group."""
