"""Train light weights: ``python -m restorecli.training RECIPE --photos FOLDER``.

`recipe` describes a run, `patches` and `degradations` make its pairs, `loop` trains, `export` stores.
"""
