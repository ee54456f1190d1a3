"""Train light weights: ``python -m restorecli.training weights/recipes/NAME.toml --photos FOLDER``."""
