"""``python -m evaluation``."""

from evaluation.main import main

main()
