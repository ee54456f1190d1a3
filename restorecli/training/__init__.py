"""Train light weights: ``python -m restorecli.training weights/recipes/NAME.toml --photos FOLDER``.

`recipe` describes a run, `patches` and `degradations` make its pairs, `loop` trains, `export` stores.
"""
