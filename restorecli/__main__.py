"""Run the tool as ``python -m restorecli``."""

from restorecli.cli.app import main

if __name__ == "__main__":
    main()
