"""What the documents show, made by running the program: pictures, cards, examples, the reference."""
